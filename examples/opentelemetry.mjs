// OpenTelemetry spans for what models and indexes do, below the span that is active in the caller. Load it before your program:
//   node --import ./examples/opentelemetry.mjs server.mjs
import { subscribe } from "node:diagnostics_channel";

import { trace } from "@opentelemetry/api";

const tracer = trace.getTracer("sparse-rerank");

for (const name of ["load", "tokenize", "queue", "inference", "search"]) {
  subscribe(`sparse-rerank:${name}`, ({ startTime, duration, ...details }) => {
    const attributes = Object.fromEntries(Object.entries(details).map(([key, value]) => [`sparse_rerank.${key}`, value]));
    const begin = performance.timeOrigin + startTime;
    tracer.startSpan(`sparse-rerank ${name}`, { startTime: begin, attributes }).end(begin + duration);
  });
}
