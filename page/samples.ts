/** What the page shows before anyone has typed: queries, documents and judgments. They fit the sample, the package's documentation. */

export const QUERIES = [
  "how do I cancel a request?",
  "protect the server with a password",
  "combine keyword and meaning search",
  "make it run faster on a small machine",
];

export const RERANK_QUERY = "what keeps the heart healthy?";
export const RERANK_DOCUMENTS = [
  "Sharks are fish that live in the sea.",
  "Regular exercise lowers blood pressure and strengthens the cardiovascular system.",
  "Bread is baked from flour, water and yeast.",
  "The heart pumps blood through the body.",
];

/** Query, document id, grade; judged by hand. */
export const JUDGMENTS = `protect the server with a password	docs/server.md#security	2
combine keyword and meaning search	docs/hybrid.md#hybrid-search	2
survive a power failure	docs/sparse-index.md#durability	2
smaller numbers for less memory	docs/int8.md#memory-and-the-cache	2
smaller numbers for less memory	docs/int8.md#int8	1
automatically shut down a service	docs/deploying.md#closing	2
how good is a ranking	docs/evaluation.md#definitions	2
`;
