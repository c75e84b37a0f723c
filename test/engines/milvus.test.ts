import { MilvusEngine } from "sparse-rerank/engines";

import { describeContract, useServer } from "./contract";

describe("MilvusEngine, with Milvus Lite", () => {
  const address = useServer("milvus");
  describeContract({
    create: (collection) => new MilvusEngine({ address: address(), collection, dimension: 30522 }),
    takesEmptyVectors: false,
    refuses: ["dates", "exists", "prefix"],
    serverLacks: (filter) => (filter.includes("[0,-3]") ? "Milvus Lite parses no negative numbers in json_contains" : undefined),
  });
});
