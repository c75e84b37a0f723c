import { MODEL_TYPES } from "../architectures";
import { EMBEDDED_MODELS } from "../hub/resolve";

export interface SupportedModels {
  /** Models inside the package: names that load() takes. */
  readonly embedded: readonly { readonly name: string; readonly summary: string }[];
  /** Values of config.json's model_type that checkpoints may have. */
  readonly modelTypes: readonly string[];
}

/** What this version can load. */
export function supportedModels(): SupportedModels {
  return { embedded: Array.from(EMBEDDED_MODELS, ([name, { summary }]) => ({ name, summary })), modelTypes: MODEL_TYPES };
}
