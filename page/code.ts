/** The same rerank request in each contract of the server, and as code in three languages. */

export interface RerankRequest {
  readonly query: string;
  readonly documents: readonly string[];
  readonly model: string | undefined;
  readonly topN: number | undefined;
}

export interface Contract {
  readonly id: string;
  readonly name: string;
  /** Relative to the server's address. */
  readonly path: string;
  readonly body: (request: RerankRequest) => object;
  /** The order and the scores in an answer. */
  readonly read: (answer: unknown) => Ranked[];
}

export interface Ranked {
  readonly index: number;
  readonly score: number;
}

const optional = (name: string, value: unknown): object => (value === undefined ? {} : { [name]: value });

export const CONTRACTS: readonly [Contract, ...Contract[]] = [
  {
    id: "tei",
    name: "text-embeddings-inference",
    path: "rerank",
    body: ({ query, documents, model, topN }) => ({ query, texts: documents, ...optional("model", model), ...optional("top_n", topN) }),
    read: (answer) => answer as Ranked[],
  },
  {
    id: "cohere",
    name: "Cohere v2",
    path: "v2/rerank",
    body: ({ query, documents, model, topN }) => ({ model: model ?? "any", query, documents, ...optional("top_n", topN) }),
    read: (answer) => relevance((answer as { results: Relevance[] }).results),
  },
  {
    id: "jina",
    name: "Jina, Cohere v1, vLLM",
    path: "v1/rerank",
    body: ({ query, documents, model, topN }) => ({
      model: model ?? "any",
      query,
      documents,
      ...optional("top_n", topN),
      return_documents: false,
    }),
    read: (answer) => relevance((answer as { results: Relevance[] }).results),
  },
  {
    id: "voyage",
    name: "Voyage",
    path: "v1/rerank",
    body: ({ query, documents, model, topN }) => ({
      model: model ?? "any",
      query,
      documents,
      top_k: topN ?? Math.max(1, documents.length),
    }),
    read: (answer) => relevance((answer as { data: Relevance[] }).data),
  },
  {
    id: "score",
    name: "vLLM score (unsorted)",
    path: "v1/score",
    body: ({ query, documents, model }) => ({ model: model ?? "any", text_1: query, text_2: documents }),
    read: (answer) => (answer as { data: Ranked[] }).data.toSorted((a, b) => b.score - a.score),
  },
];

interface Relevance {
  readonly index: number;
  readonly relevance_score: number;
}

function relevance(results: readonly Relevance[]): Ranked[] {
  return results.map(({ index, relevance_score }) => ({ index, score: relevance_score }));
}

export const LANGUAGES = ["curl", "JavaScript", "Python"] as const;
export type Language = (typeof LANGUAGES)[number];

/** The environment variable that the code reads the key from. */
const KEY = "SPARSE_RERANK_API_KEY";

/** A program that sends a JSON body and prints the answer. Texts are quoted, so that none of them is code. */
export function codeOf(language: Language, url: string, body: object, needsKey: boolean): string {
  const json = quoted(body, 2);
  switch (language) {
    case "curl": {
      const key = needsKey ? `  -H "authorization: Bearer $${KEY}" \\\n` : "";
      return `curl -s ${shellQuoted(url)} \\\n  -H 'content-type: application/json' \\\n${key}  -d ${shellQuoted(json)}\n`;
    }
    case "JavaScript": {
      const key = needsKey ? `, authorization: \`Bearer \${process.env.${KEY}}\`` : "";
      return [
        `const response = await fetch(${JSON.stringify(url)}, {`,
        `  method: "POST",`,
        `  headers: { "content-type": "application/json"${key} },`,
        `  body: JSON.stringify(${json.replaceAll("\n", "\n  ")}),`,
        `});`,
        `console.log(await response.json());\n`,
      ].join("\n");
    }
    case "Python": {
      const key = needsKey ? `, "Authorization": "Bearer " + os.environ["${KEY}"]` : "";
      return [
        `import json${needsKey ? ", os" : ""}, urllib.request\n`,
        `body = ${pythonOf(body)}`,
        `headers = {"Content-Type": "application/json"${key}}`,
        `request = urllib.request.Request(${JSON.stringify(url)}, json.dumps(body).encode(), headers)`,
        `print(json.load(urllib.request.urlopen(request)))\n`,
      ].join("\n");
    }
  }
}

/** JSON in which no character is invisible, acts on a terminal, or turns the direction of the code: what is copied is what is seen. */
function quoted(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Nothing is special between single quotes but their end. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** JSON is Python but for these three words, which are never inside strings here. */
function pythonOf(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(", ")}]`;
  if (typeof value !== "object") return quoted(value);
  return `{${Object.entries(value)
    .map(([name, member]) => `${quoted(name)}: ${pythonOf(member)}`)
    .join(", ")}}`;
}
