import type { TensorInfo, TransformerPart } from "../checkpoint/types";
import { SparseRerankError } from "../errors";

/** Element types that native code widens to fp32 or uses as they are. */
const FLOATS = new Set(["F32", "F16", "BF16"]);

/** The tensors of one checkpoint, by the names that the architecture expects. */
export class Tensors {
  /** What the checkpoint puts before the names of its base model: "bert." or nothing. */
  readonly prefix: string;

  /**
   * @param base the base model's attribute in the library's model classes ("bert"); checkpoints of a bare base model lack it
   * @param probe a tensor that every checkpoint of the family has, without prefix
   */
  constructor(
    private readonly part: TransformerPart,
    base: string,
    probe: string,
  ) {
    this.prefix = part.tensors.has(`${base}.${probe}`) || !part.tensors.has(probe) ? `${base}.` : "";
  }

  has(name: string): boolean {
    return this.part.tensors.has(name);
  }

  /** The tensor of the first name that exists; its shape must be the given one. */
  require(names: readonly string[], shape: readonly number[]): TensorInfo {
    const tensor = this.find(names);
    const [rows] = shape;
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      throw this.mismatch(tensor, `has shape ${format(tensor.shape)}; ${this.part.config.file} makes it ${format(shape)}`);
    }
    if (!FLOATS.has(tensor.dtype)) throw this.mismatch(tensor, `has element type ${tensor.dtype}; expected F32, F16 or BF16`);
    if (rows === 0) throw this.mismatch(tensor, "is empty");
    return tensor;
  }

  private find(names: readonly string[]): TensorInfo {
    for (const name of names) {
      const tensor = this.part.tensors.get(name);
      if (tensor !== undefined) return tensor;
    }
    throw new SparseRerankError(
      "ERR_MISSING_TENSOR",
      `The weights in ${this.part.folder} have no tensor ${names.join(" or ")}, which the architecture in ${this.part.config.file} needs. ` +
        "Is this the right kind of checkpoint for this class?",
    );
  }

  private mismatch(tensor: TensorInfo, what: string): SparseRerankError {
    return new SparseRerankError("ERR_TENSOR_MISMATCH", `${tensor.file}: tensor ${tensor.name} ${what}.`);
  }
}

function format(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
