/**
 * Chat templates: Jinja, parsed by @huggingface/jinja and run here with Python's semantics and with bounds on time and memory
 * (docs/decisions/0019-run-chat-templates-here.md).
 */

import { types } from "node:util";

import { messageOf } from "../core/error-code";
import { SparseRerankError } from "../errors";
import { parseTemplate } from "./ast";
import { trimBlocks } from "./blocks";
import { Budget } from "./budget";
import { TemplateFailure } from "./failure";
import { Scope } from "./scope";
import { compileBlock } from "./statements";
import type { Output } from "./statements";
import { fromJson } from "./values";

/** The parser's time is quadratic in the length of a run of white space. Published templates have runs of about a hundred. */
const MAX_WHITE_SPACE = 1000;
const LONG_WHITE_SPACE = new RegExp(String.raw`\s{${String(MAX_WHITE_SPACE + 1)}}`, "u");

export class ChatTemplate {
  readonly #file: string;
  readonly #run: ReturnType<typeof compileBlock>;

  /**
   * Errors: ERR_UNSUPPORTED_MODEL (the template cannot be parsed, or uses something that is not implemented).
   *
   * @param file where the template is from, for messages
   */
  constructor(source: string, file: string) {
    this.#file = file;
    if (LONG_WHITE_SPACE.test(source)) {
      throw this.#error("ERR_UNSUPPORTED_MODEL", `has more than ${String(MAX_WHITE_SPACE)} white-space characters in a row`);
    }
    try {
      this.#run = compileBlock(parseTemplate(trimBlocks(source)).body);
    } catch (error) {
      throw this.#error("ERR_UNSUPPORTED_MODEL", `cannot be compiled: ${reason(error)}`, error);
    }
  }

  /**
   * Errors: ERR_CHAT_TEMPLATE (it raises an exception, applies an operation to values that do not have it, or exceeds a limit),
   * ERR_UNSUPPORTED_MODEL (it uses something that is not implemented).
   *
   * @param variables JSON values
   * @param inputs number of characters of the texts among them; the limits grow with it
   */
  render(variables: Readonly<Record<string, unknown>>, inputs: number): string {
    const budget = new Budget(inputs);
    try {
      const scope = new Scope(budget);
      for (const [name, value] of Object.entries(variables)) scope.set(name, fromJson(value));
      const output: Output = { text: "", control: undefined };
      this.#run(scope, output);
      return output.text;
    } catch (error) {
      const isUnsupported = error instanceof TemplateFailure && error.unsupported;
      throw this.#error(isUnsupported ? "ERR_UNSUPPORTED_MODEL" : "ERR_CHAT_TEMPLATE", `cannot be rendered: ${reason(error)}`, error);
    }
  }

  #error(code: "ERR_UNSUPPORTED_MODEL" | "ERR_CHAT_TEMPLATE", problem: string, cause?: unknown): SparseRerankError {
    return new SparseRerankError(code, `The chat template of ${this.#file} ${problem}.`, { cause });
  }
}

const SHOWN = 200;

function reason(error: unknown): string {
  // A RangeError is a full stack or a text of more than 2^29 characters.
  if (types.isNativeError(error) && error.name === "RangeError") return "it is nested too deeply or writes too long a text";
  return messageOf(error).slice(0, SHOWN);
}
