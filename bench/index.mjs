// `npm run bench`: builds what is missing, then measures.
import { prepare } from "../scripts/setup.mjs";

await prepare();
await import("./run.mjs");
