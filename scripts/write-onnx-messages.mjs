// Generates the writer of ONNX models from lib/architectures/onnx.proto: its types, lib/architectures/onnx-messages.d.ts, and in dist/ its
// code next to pbf's writer. pbf is an ES module, which CommonJS cannot require everywhere (Jest), so its CommonJS form is copied.
// With --check it only reports whether the types are up to date.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { compileRaw } from "pbf/compile";
import prettier from "prettier";
import { parse } from "protocol-buffers-schema";

import { root } from "./report.mjs";

const source = path.join(root, "lib", "architectures", "onnx.proto");
const declarations = path.join(root, "lib", "architectures", "onnx-messages.d.ts");
const built = path.join(root, "dist", "architectures");
const pbf = path.dirname(fileURLToPath(import.meta.resolve("pbf")));

const TYPES = { string: "string", bytes: "Uint8Array", float: "number", int32: "number", int64: "number" };

const schema = parse(fs.readFileSync(source));
renameFields(schema.messages);
const types = await prettier.format(renderTypes(), { ...(await prettier.resolveConfig(declarations)), parser: "typescript" });
if (process.argv.includes("--check")) {
  if (fs.readFileSync(declarations, "utf8") !== types) {
    console.error("lib/architectures/onnx-messages.d.ts is out of date: run node scripts/write-onnx-messages.mjs.");
    process.exitCode = 1;
  }
} else {
  fs.writeFileSync(declarations, types);
  fs.mkdirSync(built, { recursive: true });
  fs.writeFileSync(path.join(built, "onnx-messages.d.ts"), types);
  fs.writeFileSync(path.join(built, "onnx-messages.js"), renderCode());
  fs.writeFileSync(path.join(built, "pbf.js"), renderPbf());
}

/** ir_version -> irVersion, TypeScript's naming convention. */
function renameFields(messages) {
  for (const { fields, messages: nested } of messages) {
    for (const field of fields) field.name = field.name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    renameFields(nested);
  }
}

function renderTypes() {
  const encode = "/** The bytes of a model. */\nexport function encodeModel(model: ModelProto): Uint8Array;";
  const header = "// Written by scripts/write-onnx-messages.mjs from onnx.proto: change that, then run the script.";
  return [header, ...schema.messages.flatMap((message) => renderMessage(message, "", {})), encode].join("\n\n");
}

/** An interface per message and a constant for each of its enums, with pbf's names: TensorProtoDataType. */
function renderMessage({ name, fields, enums, messages }, prefix, outer) {
  const full = prefix + name;
  const known = { ...outer };
  for (const nested of messages) known[nested.name] = full + nested.name;
  for (const nested of enums) known[nested.name] = "number";
  const members = fields.map((field) => {
    const type = TYPES[field.type] ?? known[field.type] ?? field.type;
    return `readonly ${field.name}?: ${field.repeated ? `readonly ${type}[]` : type};`;
  });
  const constants = enums.map((one) => {
    const values = Object.entries(one.values).map(([key, { value }]) => `readonly ${key}: ${value};`);
    return `export const ${full}${one.name}: { ${values.join(" ")} };`;
  });
  const inner = messages.flatMap((nested) => renderMessage(nested, full, known));
  return [...constants, `export interface ${full} { ${members.join(" ")} }`, ...inner];
}

/** pbf 5.1 encodes characters above U+1FFFF incorrectly, so Node encodes the strings. */
function renderCode() {
  return `"use strict";
const { PbfWriter } = require("./pbf.js");

class Writer extends PbfWriter {
    writeString(text) {
        this.writeBytes(Buffer.from(text));
    }
}
${compileRaw(schema, { noRead: true, legacy: true })}
exports.encodeModel = encodeModel;
function encodeModel(model) {
    const writer = new Writer();
    writeModelProto(model, writer);
    return writer.finish();
}
`;
}

function renderPbf() {
  const licence = fs.readFileSync(path.join(pbf, "LICENSE"), "utf8").trim();
  return `/*! pbf\n\n${licence}\n*/\n${fs.readFileSync(path.join(pbf, "dist", "pbf-dev.js"), "utf8").replace(/\n?\/\/# sourceMappingURL=.*/, "")}`;
}
