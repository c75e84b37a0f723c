// Creates runtime/, a clone's copy of ONNX Runtime. An installed package gets it from its platform package instead (scripts/package).
import path from "node:path";

import { copyRuntime, hasRuntime } from "./package/runtime-library.mjs";

const { platform, arch } = process;
if (hasRuntime(platform, arch)) copyRuntime(platform, arch, path.join(import.meta.dirname, "..", "runtime"));
else console.warn(`onnxruntime-node has no library for ${platform}-${arch}: encoders need configure({ runtimePath }).`);
