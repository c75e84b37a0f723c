// The model families on one thread, by length: this build against another one, in turns, with the same weights. Prints a table.
import { fork } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { writeWeights } from "./checkpoints.mjs";
import { cache } from "./competitors.mjs";
import { describeMachine } from "./machine.mjs";
import { median } from "./timing.mjs";

const HELP = `node --import tsx bench/families.mjs --against FOLDER [--only FAMILY,…] [--dtypes fp32,int8] [--lengths 8,32,…] [--milliseconds N]

  --against FOLDER  a built checkout to compare with
  --only FAMILY,…   some of the families
  --milliseconds N  time for each length; default 3000
  --out FILE        writes the results as JSON`;

const { values: options } = parseArgs({
  options: {
    against: { type: "string" },
    only: { type: "string" },
    dtypes: { type: "string", default: "fp32,int8" },
    lengths: { type: "string", default: "8,32,128,512,2048" },
    milliseconds: { type: "string", default: "3000" },
    out: { type: "string" },
  },
});

/** Six layers of MiniLM's size in every family, so that rows can be compared. */
const SIZE = { hidden_size: 384, num_hidden_layers: 6, num_attention_heads: 12, intermediate_size: 1536, vocab_size: 30_522 };
const COMMON = { ...SIZE, hidden_act: "gelu", max_position_embeddings: 4096, type_vocab_size: 2, id2label: { 0: "LABEL_0" } };

const FAMILIES = {
  BERT: { ...COMMON, model_type: "bert", architectures: ["BertForSequenceClassification"] },
  RoBERTa: { ...COMMON, model_type: "roberta", type_vocab_size: 1, pad_token_id: 1, architectures: ["RobertaForSequenceClassification"] },
  DeBERTa: {
    ...{ ...COMMON, model_type: "deberta-v2", architectures: ["DebertaV2ForSequenceClassification"], type_vocab_size: 0 },
    ...{ relative_attention: true, position_buckets: 256, max_relative_positions: -1, norm_rel_ebd: "layer_norm", share_att_key: true },
    ...{ pos_att_type: ["p2c", "c2p"], position_biased_input: false, max_position_embeddings: 512 },
    ...{ pooler_hidden_size: 384, pooler_hidden_act: "gelu", layer_norm_eps: 1e-7 },
  },
  ModernBERT: {
    ...{ ...SIZE, model_type: "modernbert", architectures: ["ModernBertForSequenceClassification"], hidden_activation: "gelu" },
    ...{ local_attention: 128, global_attn_every_n_layers: 3, id2label: { 0: "LABEL_0" } },
  },
  GTE: {
    ...{ ...COMMON, model_type: "new", architectures: ["NewForSequenceClassification"], position_embedding_type: "rope" },
    ...{ rope_theta: 20_000, layer_norm_type: "layer_norm", pack_qkv: true, auto_map: { AutoConfig: "configuration.NewConfig" } },
  },
  JinaBERT: {
    ...{ ...COMMON, model_type: "bert", architectures: ["JinaBertForSequenceClassification"], position_embedding_type: "alibi" },
    ...{ feed_forward_type: "geglu", auto_map: { AutoConfig: "configuration.JinaBertConfig" } },
  },
};

if (options.against === undefined) {
  console.error(HELP);
  process.exit(2);
}
const { tensorShapes } = await import("../test/golden/tensor-shapes.ts");
const lengths = options.lengths.split(",").map(Number);
const builds = { ours: path.join(import.meta.dirname, ".."), against: path.resolve(options.against) };
const results = { machine: describeMachine({}), families: {} };
console.log(JSON.stringify(results.machine));
console.log(`| family | dtype | ${lengths.map((length) => `${length} tokens`).join(" | ")} | largest difference of logits |`);
for (const family of options.only?.split(",") ?? Object.keys(FAMILIES)) {
  for (const dtype of options.dtypes.split(",")) {
    const row = await measure(family, dtype);
    (results.families[family] ??= {})[dtype] = row;
    const cells = lengths.map((length) => `${show(row.against[length])} → ${show(row.ours[length])} (${row.ratio[length].toFixed(2)})`);
    console.log(`| ${family} | ${dtype} | ${cells.join(" | ")} | ${row.difference.toExponential(1)} |`);
  }
}
if (options.out !== undefined) fs.writeFileSync(options.out, `${JSON.stringify(results, null, 2)}\n`);

/**
 * The smallest times of both builds, which take turns after every few runs, so that a change in the machine's speed affects both; and the
 * median of the rounds' ratios, which other programs disturb least where the machine has no quiet moments.
 */
async function measure(family, dtype) {
  const checkpoint = checkpointOf(family);
  const row = { ours: {}, against: {}, ratio: {}, difference: 0 };
  const sides = await Promise.all(Object.entries(builds).map(async ([name, build]) => [name, await start({ build, checkpoint, dtype })]));
  for (const length of lengths) {
    const logits = {};
    const ratios = [];
    for (const [name] of sides) row[name][length] = Infinity;
    for (let spent = 0, rounds = 0; rounds < 3 || spent < Number(options.milliseconds); rounds++) {
      const times = {};
      for (const [name, side] of rounds % 2 === 0 ? sides : sides.toReversed()) {
        const begin = performance.now();
        const { milliseconds, logit } = await ask(side, length);
        spent += performance.now() - begin;
        times[name] = milliseconds;
        row[name][length] = Math.min(row[name][length], milliseconds);
        logits[name] = logit;
      }
      ratios.push(times.ours / times.against);
    }
    row.ratio[length] = median(ratios);
    row.difference = Math.max(row.difference, Math.abs(logits.ours - logits.against));
  }
  for (const [, side] of sides) side.disconnect();
  // Quantization magnifies the rounding of what precedes it.
  if (!(row.difference < (dtype === "int8" ? 0.05 : 1e-4))) throw new Error(`${family} ${dtype}: logits differ by ${row.difference}`);
  return row;
}

async function start(job) {
  const side = fork(path.join(import.meta.dirname, "trials", "families.mjs"), [JSON.stringify(job)], { execArgv: [] });
  await answer(side);
  return side;
}

async function ask(side, length) {
  side.send(length);
  return answer(side);
}

function answer(side) {
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Error("a trial ended early"));
    side.once("exit", failed);
    side.once("message", (message) => {
      side.off("exit", failed);
      resolve(message);
    });
  });
}

function checkpointOf(family) {
  const folder = path.join(cache, `family-${family.toLowerCase()}-v1`);
  if (fs.existsSync(folder)) return folder;
  const unfinished = `${folder}.unfinished`;
  fs.mkdirSync(unfinished, { recursive: true });
  const config = FAMILIES[family];
  fs.writeFileSync(path.join(unfinished, "config.json"), JSON.stringify(config));
  const constant = (name) => (/norm.*weight$/i.test(name) ? 1 : name.endsWith("bias") ? 0 : undefined);
  const tensors = Array.from(tensorShapes(config), ([name, shape]) => ({ name, shape, constant: constant(name) }));
  writeWeights(unfinished, tensors);
  fs.renameSync(unfinished, folder);
  return folder;
}

function show(milliseconds) {
  return milliseconds < 10 ? milliseconds.toFixed(2) : milliseconds.toFixed(milliseconds < 100 ? 1 : 0);
}
