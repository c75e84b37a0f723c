import type { TensorInfo, WeightedPart } from "../checkpoint/types";
import { SparseRerankError } from "../errors";

/** Element types that native code uses directly or widens to fp32. */
const FLOATS = new Set(["F32", "F16", "BF16"]);

/** The tensors of a checkpoint, by the names that the architecture expects. All others are ignored. */
export class Tensors {
  /** Prefix of the base model's tensor names in the checkpoint, such as "bert.", or empty. */
  readonly prefix: string;

  private readonly tensors: Map<string, TensorInfo>;

  /**
   * @param base attribute of the base model in the model classes of transformers ("bert"); checkpoints of a bare base model and modules
   *   that are not transformers have no such prefix
   * @param probe name without prefix of a tensor that every checkpoint of the family has
   */
  constructor(
    private readonly part: WeightedPart,
    base?: string,
    probe = "",
  ) {
    this.tensors = new Map(part.tensors);
    const isBare = base === undefined || (this.tensors.has(probe) && !this.tensors.has(`${base}.${probe}`));
    this.prefix = isBare ? "" : `${base}.`;
  }

  /**
   * Ties two tensors like from_pretrained: if the file contains only one of them, it is used for both; if it contains both, they are kept.
   */
  tie(one: string, other: string): void {
    const tensor = this.tensors.get(one) ?? this.tensors.get(other);
    if (tensor === undefined) return;
    for (const name of [one, other]) {
      if (!this.tensors.has(name)) this.tensors.set(name, tensor);
    }
  }

  /** The tensor with the first name that exists. Errors: ERR_MISSING_TENSOR, ERR_TENSOR_MISMATCH (another shape or element type). */
  require(names: readonly string[], shape: readonly number[]): TensorInfo {
    const tensor = this.find(names);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      throw this.mismatch(tensor, `has shape ${format(tensor.shape)}; ${this.part.config.file} requires ${format(shape)}`);
    }
    if (!FLOATS.has(tensor.dtype)) throw this.mismatch(tensor, `has element type ${tensor.dtype}; expected F32, F16 or BF16`);
    return tensor;
  }

  private find(names: readonly string[]): TensorInfo {
    for (const name of names) {
      const tensor = this.tensors.get(name);
      if (tensor !== undefined) return tensor;
    }
    throw new SparseRerankError(
      "ERR_MISSING_TENSOR",
      `The weights in ${this.part.folder} have no tensor ${names.join(" or ")}, which the architecture in ${this.part.config.file} needs. ` +
        "Check that the checkpoint is of the right kind for this class.",
    );
  }

  private mismatch(tensor: TensorInfo, what: string): SparseRerankError {
    return new SparseRerankError("ERR_TENSOR_MISMATCH", `${tensor.file}: tensor ${tensor.name} ${what}.`);
  }
}

/** The `index`-th of `parts` matrices (or vectors) that are stacked in one tensor: a view of the same bytes in the file. */
export function partOf(tensor: TensorInfo, index: number, parts: number): TensorInfo {
  const rows = (tensor.shape[0] ?? 0) / parts;
  return { ...rowsOf(tensor, index * rows, rows), name: `${tensor.name}[${String(index)}/${String(parts)}]` };
}

/** Rows [from, from + count) of a matrix or vector: a view of the same bytes in the file. */
export function rowsOf(tensor: TensorInfo, from: number, count: number): TensorInfo {
  const [rows = 0, ...rest] = tensor.shape;
  const rowBytes = tensor.byteLength / rows;
  return {
    ...tensor,
    name: `${tensor.name}[${String(from)}:${String(from + count)}]`,
    shape: [count, ...rest],
    offset: tensor.offset + from * rowBytes,
    byteLength: count * rowBytes,
  };
}

function format(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
