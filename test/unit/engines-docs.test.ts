/** The programs in the documentation of engines and of the queue run as they are printed. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { FaultServer } from "./fault-server";

const root = path.join(__dirname, "..", "..");

/** The program of a page that contains a text. */
async function programIn(page: string, containing: string): Promise<string> {
  const text = await readFile(path.join(root, page), "utf8");
  const programs = Array.from(text.matchAll(/```js\n([^]*?)```/g), ([, program = ""]) => program);
  const program = programs.find((one) => one.includes(containing));
  assert.ok(program !== undefined, `${page} has no program with ${containing}`);
  return program;
}

async function run(program: string): Promise<string> {
  // In the project's folder the package finds itself by its name.
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].setEncoding("utf8").on("data", (text: string) => (output[name] += text));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, output.stderr);
  return output.stdout;
}

describe("documentation of engines", () => {
  it("docs/engines.md: the engine of one machine, by one line", async () => {
    const output = await run(await programIn("docs/engines.md", "LocalEngine"));
    assert.match(output, /^2 \[\]\n\[ \{ id: 'b', score: \d/);
  });

  it("README.md: writing and searching", async () => {
    const server = await FaultServer.start(({ method, path: asked, text }) => {
      if (asked.endsWith("_mapping")) return { json: { documents: { mappings: { properties: { vector: { type: "rank_features" } } } } } };
      if (asked.endsWith("_bulk"))
        return {
          json: {
            items: text
              .split("\n")
              .filter((line) => line.startsWith('{"index"'))
              .map(() => ({ index: { status: 201 } })),
          },
        };
      if (asked.includes("_search")) {
        assert.match(text, /"terms":\{"payload.lang":\["en"\]\}/);
        return { json: { timed_out: false, _shards: { failed: 0 }, hits: { hits: [] } } };
      }
      return { json: method === "GET" ? { nodes: {} } : {} };
    });
    const program = (await programIn("README.md", "OpenSearchEngine")).replace("http://localhost:9200", server.url);
    const around = `import { SparseEncoder } from "sparse-rerank";
      const encoder = await SparseEncoder.load("splade-tiny");
      const [ids, texts, payloads] = [["a"], ["The heart pumps blood."], [{ lang: "en" }]];`;
    await run(`${around}\n${program}\nawait engine.close(); await encoder.close();`);
    assert.ok(server.asked.some(({ path: asked }) => asked.includes("_search")));
    await server.stop();
  });
});
