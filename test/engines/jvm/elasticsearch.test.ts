import assert from "node:assert/strict";

import { ElasticsearchEngine } from "sparse-rerank/engines";
import type { LuceneClient } from "sparse-rerank/engines";

import { describeContract, useServer } from "../contract";

describe("ElasticsearchEngine, with version 8", () => {
  const node = useServer("elasticsearch8");
  describeContract({
    create: (index) => new ElasticsearchEngine({ node: node(), index, dimension: 30522 }),
    tolerance: 2 ** -8,
    refuses: ["dates"],
  });

  it("uses the field type sparse_vector", async () => {
    assert.equal(await new ElasticsearchEngine({ node: node(), index: "new" }).mode(), "sparse_vector");
  });
});

describe("ElasticsearchEngine, with version 9 and the client of version 9", () => {
  const node = useServer("elasticsearch9");
  let client: LuceneClient | undefined;
  before(async () => {
    const { Client } = await import("elasticsearch-9");
    client = new Client({ node: node() });
  });
  after(() => client?.close());
  describeContract({
    create: (index) => new ElasticsearchEngine({ client: client!, index, dimension: 30522 }),
    tolerance: 2 ** -8,
    refuses: ["dates"],
  });
});
