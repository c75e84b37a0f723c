/// The structs of CUDA 13's ABI that callers share with its runtime, as far as they are read or written here. CUDA 12 has others.
#pragma once

#include <cstddef>

namespace simulated_gpu {

struct Dim3 {
  unsigned x;
  unsigned y;
  unsigned z;
};

/// cudaDeviceProp. The limits of textures and surfaces, and everything after the last field in use, have placeholder names.
struct DeviceProperties {
  char name[256];
  char uuid[16];
  char luid[8];
  unsigned luid_node_mask;
  std::size_t total_memory;
  std::size_t shared_memory_of_block;
  int registers_of_block;
  int warp;
  std::size_t pitch;
  int threads_of_block;
  int block_dimensions[3];
  int grid_dimensions[3];
  std::size_t constant_memory;
  int major;
  int minor;
  std::size_t texture_alignment;
  std::size_t texture_pitch_alignment;
  int multiprocessors;
  int integrated;
  int can_map_host_memory;
  int textures_and_surfaces[39];
  std::size_t surface_alignment;
  int concurrent_kernels;
  int error_correction;
  int pci_bus;
  int pci_device;
  int pci_domain;
  int compute_only_driver;
  int copy_engines;
  int unified_addressing;
  int memory_bus_bits;
  int l2_cache;
  int persisting_l2_cache;
  int threads_of_multiprocessor;
  int stream_priorities;
  int global_l1_cache;
  int local_l1_cache;
  std::size_t shared_memory_of_multiprocessor;
  int registers_of_multiprocessor;
  int managed_memory;
  int multi_gpu_board;
  int multi_gpu_board_group;
  int host_native_atomics;
  int pageable_memory_access;
  int concurrent_managed_access;
  int compute_preemption;
  int registered_host_pointers;
  int cooperative_launch;
  std::size_t opt_in_shared_memory_of_block;
  int host_page_tables;
  int direct_managed_access;
  int blocks_of_multiprocessor;
  int access_policy_window;
  std::size_t reserved_shared_memory_of_block;
  int rest[75];
};
static_assert(offsetof(DeviceProperties, total_memory) == 288);
static_assert(offsetof(DeviceProperties, surface_alignment) == 552);
static_assert(sizeof(DeviceProperties) == 1008);

/// The first fields of cudaFuncAttributes.
struct FunctionAttributes {
  std::size_t shared_bytes;
  std::size_t constant_bytes;
  std::size_t local_bytes;
  int threads_of_block;
  int registers;
  int ptx_version;
  int binary_version;
  int caches_global;
  int dynamic_shared_bytes;
};

/// The first fields of cudaPointerAttributes.
struct PointerAttributes {
  /// 0 pageable, 1 pinned, 2 of the GPU.
  int type;
  int device;
  void* device_address;
  void* host_address;
};

/// cudaLaunchConfig_t.
struct LaunchConfiguration {
  Dim3 grid;
  Dim3 block;
  std::size_t shared_bytes;
  void* stream;
  void* attributes;
  unsigned attribute_count;
};

}  // namespace simulated_gpu
