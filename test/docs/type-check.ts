/** Type-checks programs against the types that the package publishes. */

import path from "node:path";

import ts from "typescript";

import { root } from "./pages";

/**
 * Type-checks ECMAScript modules passed as text: name, ending in .mjs or .mts, -> program. They are placed in the project's folder, where
 * "sparse-rerank" is the package itself. Parameters need no types. Returns one line per problem.
 */
export function typeProblems(programs: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), (file) => ts.sys.readFile(file)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  Object.assign(options, {
    noEmit: true,
    allowJs: true,
    checkJs: true,
    rootDir: root,
    noUncheckedIndexedAccess: false,
    noPropertyAccessFromIndexSignature: false,
  });
  const files = new Map(Array.from(programs, ([name, program]) => [path.join(root, name), program]));
  const host = ts.createCompilerHost(options);
  const onDisk = {
    fileExists: host.fileExists.bind(host),
    readFile: host.readFile.bind(host),
    getSourceFile: host.getSourceFile.bind(host),
  };
  host.fileExists = (file) => files.has(path.normalize(file)) || onDisk.fileExists(file);
  host.readFile = (file) => files.get(path.normalize(file)) ?? onDisk.readFile(file);
  host.getSourceFile = (file, languageVersion, ...others) => {
    const program = files.get(path.normalize(file));
    return program === undefined
      ? onDisk.getSourceFile(file, languageVersion, ...others)
      : ts.createSourceFile(file, program, languageVersion);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const where =
      file === undefined ? "" : `${path.relative(root, file.fileName)}:${file.getLineAndCharacterOfPosition(start ?? 0).line + 1}: `;
    return where + ts.flattenDiagnosticMessageText(messageText, "\n");
  });
}
