import path from "node:path";

import { derivedFolder } from "./hub/settings";
import type { TransformerPlan } from "./internal/transformer";
import type { LoadOptions } from "./options";

/** What `dtype` adds to a plan. */
export function int8Of(options: LoadOptions): Pick<TransformerPlan, "int8"> {
  if (options.dtype !== "int8") return {};
  const folder = derivedFolder(options, process.env);
  return { int8: { cacheFolder: folder === undefined ? undefined : path.join(folder, "int8") } };
}
