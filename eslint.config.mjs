import { builtinModules } from "node:module";

import regexp from "eslint-plugin-regexp";
import tseslint from "typescript-eslint";

const bareBuiltins = builtinModules.filter((name) => !name.startsWith("_"));

/** Rules of ESLint itself that neither the compiler nor typescript-eslint covers. */
const coreRules = {
  eqeqeq: ["error", "always"],
  "no-async-promise-executor": "error",
  "no-cond-assign": ["error", "always"],
  "no-constant-binary-expression": "error",
  "no-control-regex": "error",
  "no-empty": "error",
  "no-empty-character-class": "error",
  "no-fallthrough": "error",
  "no-loss-of-precision": "error",
  "no-misleading-character-class": "error",
  "no-restricted-imports": ["error", { paths: bareBuiltins.map((name) => ({ name, message: `Import node:${name}.` })) }],
  "no-self-assign": "error",
  "no-self-compare": "error",
  "no-unmodified-loop-condition": "error",
  "no-unsafe-finally": "error",
  "no-unsafe-optional-chaining": "error",
  "no-useless-assignment": "error",
  "no-useless-catch": "error",
  "no-useless-escape": "error",
  "no-var": "error",
  "object-shorthand": "error",
  "prefer-const": "error",
  "preserve-caught-error": "error",
};

/** For lib/, which a process may load in several realms, each with its own classes: Jest's sandboxes, vm contexts, Electron pages. */
const libSyntax = [
  { selector: "ExportDefaultDeclaration", message: "Named exports only." },
  {
    selector: "ThrowStatement > NewExpression[callee.name=/^(Error|RangeError|TypeError)$/]",
    message: "Every error that leaves the package is a SparseRerankError with a code.",
  },
];
const builtins =
  "Object|Function|Array|Map|Set|WeakMap|WeakSet|Promise|RegExp|Date|URL|URLSearchParams|Buffer|Blob|Event|EventTarget|Abort(?:Signal|Controller)|" +
  "DOMException|(?:Aggregate|Eval|Range|Reference|Syntax|Type|URI)?Error|(?:Shared)?ArrayBuffer|DataView|(?:Big)?(?:Int|Uint|Float)\\d+(?:Clamped)?Array";
const realmSyntax = [
  { selector: "VariableDeclaration[kind=/using$/]", message: "Symbol.dispose is not in every realm (Node 20): use try and finally." },
  {
    selector: `BinaryExpression[operator='instanceof'][right.name=/^(?:${builtins})$/]`,
    message: "A value of another realm has another class: use lib/core/error-code.ts, types of node:util, or Array.isArray.",
  },
  {
    selector:
      "BinaryExpression > MemberExpression[property.name=/^(?:constructor|__proto__)$/], CallExpression[callee.property.name='getPrototypeOf']",
    message: "A value of another realm has another class and prototype: ask for what it has.",
  },
];

export default tseslint.config(
  { ignores: ["build*/", "dist/", "coverage/", "runtime/", "models/", "test/data/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      ...coreRules,
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/consistent-type-exports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // Numbers print without ambiguity.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // A counting loop over typed arrays often needs its index for a second array as well, which the rule sees only in part.
      "@typescript-eslint/prefer-for-of": "off",
      // Would require the `!` that another rule forbids.
      "@typescript-eslint/non-nullable-type-assertion-style": "off",
    },
  },
  {
    files: ["lib/**/*.ts"],
    rules: { "no-restricted-syntax": ["error", ...libSyntax, ...realmSyntax] },
  },
  // The command line is a process of its own, in one realm.
  { files: ["lib/cli/**/*.ts"], rules: { "no-restricted-syntax": ["error", ...libSyntax] } },
  // Regular expressions must run in linear time on every input.
  {
    files: ["lib/**/*.ts", "scripts/**/*.{mjs,cjs}", "bench/**/*.{ts,mjs}"],
    plugins: { regexp },
    rules: {
      "regexp/no-super-linear-move": ["error", { ignoreSticky: false, ignorePartial: false }],
      "regexp/no-super-linear-backtracking": ["error", { report: "potential" }],
    },
  },
  // A library writes nothing to the terminal. The command line writes through terminal.ts and progress.ts, which escape control sequences.
  { files: ["lib/**/*.ts"], rules: { "no-console": "error" } },
  {
    files: ["lib/cli/**/*.ts"],
    ignores: ["lib/cli/{terminal,progress}.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        { object: "JSON", property: "stringify", message: "Print it with writeJson(), which terminals can show safely." },
        { property: "write", message: "Use writeLine(), writeJson() or writeNote()." },
      ],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // A missing value fails the test at that line anyway.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Stubs and callbacks that must do nothing.
      "@typescript-eslint/no-empty-function": "off",
      "no-restricted-syntax": [
        "error",
        {
          selector: "CallExpression > MemberExpression[object.type='ThisExpression'][property.name='skip']",
          message: "Say why: skip(this, reason).",
        },
      ],
      // A test that runs alone would hide all others.
      "no-restricted-properties": [
        "error",
        ...["describe", "it"].flatMap((object) => [
          { object, property: "only", message: "Run one test with mocha's --grep." },
          { object, property: "skip", message: "Skip for a reason that holds on this machine: skip(this, reason)." },
        ]),
      ],
    },
  },
  // Scripts, examples and benchmarks run unchanged, without types.
  { files: ["**/*.{js,mjs,cjs}"], extends: [tseslint.configs.strict, tseslint.configs.stylistic], rules: coreRules },
  { files: ["**/*.cjs"], rules: { "@typescript-eslint/no-require-imports": "off" } },
);
