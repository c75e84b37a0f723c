/** The syntax tree that @huggingface/jinja parses a template to. The package exports no types for its nodes. */

export interface Literal {
  readonly type: "IntegerLiteral" | "FloatLiteral" | "StringLiteral";
  readonly value: string | number;
}

export interface Sequence {
  readonly type: "ArrayLiteral" | "TupleLiteral";
  readonly value: readonly Node[];
}

export interface ObjectLiteral {
  readonly type: "ObjectLiteral";
  readonly value: ReadonlyMap<Node, Node>;
}

export interface Identifier {
  readonly type: "Identifier";
  readonly value: string;
}

export interface MemberExpression {
  readonly type: "MemberExpression";
  readonly object: Node;
  readonly property: Node;
  /** object[property] */
  readonly computed: boolean;
}

export interface SliceExpression {
  readonly type: "SliceExpression";
  readonly start: Node | undefined;
  readonly stop: Node | undefined;
  readonly step: Node | undefined;
}

export interface CallExpression {
  readonly type: "CallExpression";
  readonly callee: Node;
  readonly args: readonly Node[];
}

export interface KeywordArgument {
  readonly type: "KeywordArgumentExpression";
  readonly key: Identifier;
  readonly value: Node;
}

export interface Spread {
  readonly type: "SpreadExpression" | "KeywordSpreadExpression";
  readonly argument: Node;
}

export interface UnaryExpression {
  readonly type: "UnaryExpression";
  readonly operator: { readonly value: string };
  readonly argument: Node;
}

export interface BinaryExpression {
  readonly type: "BinaryExpression";
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}

export interface FilterExpression {
  readonly type: "FilterExpression";
  readonly operand: Node;
  readonly filter: Node;
}

export interface TestExpression {
  readonly type: "TestExpression";
  readonly operand: Node;
  readonly negate: boolean;
  readonly test: Identifier;
}

/** `lhs if test`, without else. */
export interface SelectExpression {
  readonly type: "SelectExpression";
  readonly lhs: Node;
  readonly test: Node;
}

export interface Ternary {
  readonly type: "Ternary";
  readonly condition: Node;
  readonly trueExpr: Node;
  readonly falseExpr: Node;
}

export interface If {
  readonly type: "If";
  readonly test: Node;
  readonly body: readonly Node[];
  readonly alternate: readonly Node[];
}

export interface For {
  readonly type: "For";
  readonly loopvar: Node;
  /** A SelectExpression if the loop has a condition. */
  readonly iterable: Node;
  readonly body: readonly Node[];
  readonly defaultBlock: readonly Node[];
}

export interface SetStatement {
  readonly type: "Set";
  readonly assignee: Node;
  /** null for a block. */
  readonly value: Node | null;
  readonly body: readonly Node[];
}

export interface Macro {
  readonly type: "Macro";
  readonly name: Identifier;
  readonly args: readonly Node[];
  readonly body: readonly Node[];
}

export interface CallStatement {
  readonly type: "CallStatement";
  readonly call: CallExpression;
  readonly callerArgs: readonly Node[] | null;
  readonly body: readonly Node[];
}

export interface FilterStatement {
  readonly type: "FilterStatement";
  readonly filter: Node;
  readonly body: readonly Node[];
}

export interface Bare {
  readonly type: "Break" | "Continue" | "Comment";
}

export interface Program {
  readonly type: "Program";
  readonly body: readonly Node[];
}

/** Statements, and expressions, whose text a statement prints. */
export type Node =
  | Literal
  | Sequence
  | ObjectLiteral
  | Identifier
  | MemberExpression
  | SliceExpression
  | CallExpression
  | KeywordArgument
  | Spread
  | UnaryExpression
  | BinaryExpression
  | FilterExpression
  | TestExpression
  | SelectExpression
  | Ternary
  | If
  | For
  | SetStatement
  | Macro
  | CallStatement
  | FilterStatement
  | Bare
  | Program;

interface Library {
  readonly parse: (tokens: unknown) => unknown;
  readonly tokenize: (source: string) => unknown;
}

/** @throws SyntaxError, TypeError (unfinished syntax) or RangeError (deeply nested) */
export function parseTemplate(source: string): Program {
  // Loaded on first use: most models have no chat template.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a lazy import would make compiling asynchronous
  const library = require("@huggingface/jinja") as Library;
  return library.parse(library.tokenize(source)) as Program;
}
