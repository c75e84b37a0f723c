#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace sparse_rerank {

/// The kernels of the table "amx", compiled from the same source over portable code for the tiles and the vectors of 512 bits. For machines
/// without AMX, Arm and sanitizers; slow.
[[nodiscard]] const KernelTable& emulated_amx_kernels();

/// Makes the emulated tiles multiply weights as if they were unsigned, as the emulator Bochs (3.0 and 3.1) does. Not for threads.
void emulate_unsigned_weights(bool on);

/// The tables of this machine, and the emulated one.
[[nodiscard]] std::vector<const KernelTable*> tested_kernels();

}  // namespace sparse_rerank
