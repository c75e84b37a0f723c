// Published packages of other projects that speak one of the server's contracts, for the tests of test/clients. docs/clients.md names the
// same versions. Each function returns a folder, or throws with the reason if it is not available.
import { PackageCache } from "../package-cache.mjs";

const cache = new PackageCache("sparse-rerank-clients", { variable: "SPARSE_RERANK_TEST_CLIENTS", command: "npm run test:clients" });

export const NPM = [
  "cohere-ai@8.1.0",
  "openai@7.59.0",
  "@langchain/cohere@1.0.5",
  "@langchain/core@1.4.0",
  "@llamaindex/cohere@0.0.37",
  "@llamaindex/core@0.6.23",
  "@llamaindex/env@0.1.31",
];
export const PYTHON = [
  "llama-index-postprocessor-tei-rerank==0.6.0",
  "huggingface-api-haystack==3.1.0",
  "haystack-ai==3.4.1",
  "langchain-cohere==0.6.0",
];
/** Reads the server's OpenAPI description. */
export const OPENAPI_LINTER = "@redocly/cli@2.77.0";

/** A folder with node_modules. */
export function npmClients() {
  return cache.npm("npm", NPM);
}

/** A folder with node_modules. */
export function openApiLinter() {
  return cache.npm("openapi", [OPENAPI_LINTER]);
}

/** A folder for PYTHONPATH. */
export function pythonClients() {
  return cache.python("python", PYTHON);
}
