import type { TensorInfo, WeightedPart } from "../checkpoint/types";
import { SparseRerankError } from "../errors";

/** Element types that native code widens to fp32 or uses as they are. */
const FLOATS = new Set(["F32", "F16", "BF16"]);

/** The tensors of one checkpoint, by the names that the architecture expects. Others are ignored. */
export class Tensors {
  /** What the checkpoint puts before the names of its base model: "bert." or nothing. */
  readonly prefix: string;

  private readonly tensors: Map<string, TensorInfo>;

  /**
   * @param base the base model's attribute in the library's model classes ("bert"); checkpoints of a bare base model lack it, and modules
   *   that are not transformers have none
   * @param probe a tensor that every checkpoint of the family has, without prefix
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

  /** As from_pretrained ties: where only one of the two is in the file it stands for both; where both are they stay as they are. */
  tie(one: string, other: string): void {
    const tensor = this.tensors.get(one) ?? this.tensors.get(other);
    if (tensor === undefined) return;
    for (const name of [one, other]) {
      if (!this.tensors.has(name)) this.tensors.set(name, tensor);
    }
  }

  /** The tensor of the first name that exists; its shape must be the given one. */
  require(names: readonly string[], shape: readonly number[]): TensorInfo {
    const tensor = this.find(names);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      throw this.mismatch(tensor, `has shape ${format(tensor.shape)}; ${this.part.config.file} makes it ${format(shape)}`);
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
        "Is this the right kind of checkpoint for this class?",
    );
  }

  private mismatch(tensor: TensorInfo, what: string): SparseRerankError {
    return new SparseRerankError("ERR_TENSOR_MISMATCH", `${tensor.file}: tensor ${tensor.name} ${what}.`);
  }
}

/** The `index`-th of `parts` matrices (or vectors) that one tensor holds one below the other: the same bytes of the file, not a copy. */
export function partOf(tensor: TensorInfo, index: number, parts: number): TensorInfo {
  const rows = (tensor.shape[0] ?? 0) / parts;
  return { ...rowsOf(tensor, index * rows, rows), name: `${tensor.name}[${String(index)}/${String(parts)}]` };
}

/** Rows [from, from + count) of a matrix or vector: the same bytes of the file, not a copy. */
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
