/** The "post_processor" of tokenizer.json. */

import type { Template, TemplatePiece } from "../pipeline/template";
import type { Field } from "./field";

/** Type ids are stored as bytes. */
const MAX_TYPE_ID = 255;

const A: TemplatePiece = { text: "A", typeId: 0 };

/** The template without a post-processor: just the texts. */
const PLAIN: Template = { single: [A], pair: [A, { text: "B", typeId: 1 }] };

export function parseTemplate(field: Field | undefined): Template {
  if (field === undefined) return PLAIN;
  const type = field.required("type").string();
  switch (type) {
    case "TemplateProcessing":
      return parseTemplateProcessing(field);
    case "BertProcessing":
      return bertTemplate(parseSpecialId(field.required("cls")), parseSpecialId(field.required("sep")));
    case "RobertaProcessing":
      return robertaTemplate(parseSpecialId(field.required("cls")), parseSpecialId(field.required("sep")));
    case "ByteLevel":
      // It trims offsets, which are not kept here.
      return PLAIN;
    case "Sequence":
      return parseSequence(field);
    default:
      return field.fail(`has the unknown type ${JSON.stringify(type)}`);
  }
}

export function bertTemplate(cls: number, sep: number): Template {
  return {
    single: [special(cls, 0), A, special(sep, 0)],
    pair: [special(cls, 0), A, special(sep, 0), { text: "B", typeId: 1 }, special(sep, 1)],
  };
}

export function robertaTemplate(cls: number, sep: number): Template {
  return {
    single: [special(cls, 0), A, special(sep, 0)],
    pair: [special(cls, 0), A, special(sep, 0), special(sep, 0), { text: "B", typeId: 0 }, special(sep, 0)],
  };
}

/** The template of GPT-2's class: tokens before and after each text. */
export function boundaryTemplate(before: readonly number[], behind: readonly number[]): Template {
  const around = (text: TemplatePiece, typeId: number): TemplatePiece[] => [
    ...before.map((id) => special(id, typeId)),
    text,
    ...behind.map((id) => special(id, typeId)),
  ];
  return { single: around(A, 0), pair: [...around(A, 0), ...around({ text: "B", typeId: 1 }, 1)] };
}

function special(id: number, typeId: number): TemplatePiece {
  return { specialIds: Int32Array.of(id), typeId };
}

/**
 * Only one processor of a sequence may add tokens: the reference accepts at most two texts, and the first that adds tokens produces more.
 */
function parseSequence(field: Field): Template {
  const adding = field
    .required("processors")
    .items()
    .filter((processor) => processor.required("type").value !== "ByteLevel");
  if (adding.length > 1) field.fail(`has ${String(adding.length)} processors that add tokens, expected one`);
  if (adding[0]?.required("type").value === "Sequence") field.fail("has a sequence inside a sequence");
  return parseTemplate(adding[0]);
}

/** ["[SEP]", 102] */
function parseSpecialId(field: Field): number {
  const [token, id] = field.items();
  if (token === undefined || id === undefined) return field.fail("is not a pair of token and id");
  token.string();
  return id.integer();
}

function parseTemplateProcessing(field: Field): Template {
  const specials = field.required("special_tokens");
  const parse = (key: "single" | "pair", texts: readonly ("A" | "B")[]): TemplatePiece[] =>
    field
      .required(key)
      .items()
      .map((piece) => parsePiece(piece, specials, texts));
  return { single: parse("single", ["A"]), pair: parse("pair", ["A", "B"]) };
}

function parsePiece(piece: Field, specials: Field, texts: readonly ("A" | "B")[]): TemplatePiece {
  const sequence = piece.optional("Sequence");
  if (sequence !== undefined) return { text: sequence.required("id").oneOf(texts), typeId: parseTypeId(sequence) };
  const token = piece.required("SpecialToken");
  const name = token.required("id").string();
  const entry = specials.optional(name) ?? token.fail(`names ${JSON.stringify(name)}, which special_tokens does not have`);
  const ids = entry
    .required("ids")
    .items()
    .map((id) => id.integer());
  return { specialIds: Int32Array.from(ids), typeId: parseTypeId(token) };
}

function parseTypeId(field: Field): number {
  return field.required("type_id").integer(MAX_TYPE_ID + 1);
}
