import { MODEL_TYPES } from "../architectures";
import { EMBEDDED_MODELS } from "../hub/resolve";

export interface SupportedModels {
  /** Models that ship with the package: names that load() accepts. */
  readonly embedded: readonly { readonly name: string; readonly summary: string }[];
  /** Supported values of model_type in config.json. */
  readonly modelTypes: readonly string[];
}

/** Lists the models that this version can load. */
export function supportedModels(): SupportedModels {
  return { embedded: Array.from(EMBEDDED_MODELS, ([name, { summary }]) => ({ name, summary })), modelTypes: MODEL_TYPES };
}
