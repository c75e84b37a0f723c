/** Downloads one file of a commit into the cache. */

import { SparseRerankError } from "../errors";
import type { RepositoryCache } from "./cache";
import { HubNetworkError, withRetries } from "./http";
import type { Connection } from "./http";
import { PartialBlob } from "./partial";
import { getFile } from "./repository";
import type { RemoteFile, Source } from "./repository";

export interface Download {
  readonly connection: Connection;
  readonly source: Source;
  readonly commit: string;
  readonly cache: RepositoryCache;
}

/** Progress that resets the failure count. Without a minimum, a server that sends one byte per attempt would be retried forever. */
const ADVANCE_BYTES = 1 << 20;

/**
 * Downloads a file into the snapshot and verifies that its contents have the hash that the hub states.
 * @param onBytes called with the number of bytes present; it may decrease when a download restarts
 */
export async function downloadFile(download: Download, file: RemoteFile, onBytes: (bytes: number) => void): Promise<void> {
  const { cache, commit, connection } = download;
  if (await cache.has(commit, file)) {
    onBytes(file.size);
    return;
  }
  const isComplete = async (): Promise<boolean> => (await cache.hasBlob(file)) || cache.has(commit, file);
  const partial = await PartialBlob.claim(cache.blob(file), file, isComplete, onBytes, connection.signal);
  if (partial !== undefined) {
    try {
      await fill(download, partial, file, onBytes);
      await partial.finish(cache.blob(file));
    } finally {
      await partial.release();
    }
  }
  if (!(await cache.has(commit, file))) await cache.place(commit, file, partial !== undefined);
  onBytes(file.size);
}

/** Downloads the rest of the file, and restarts once if the hash is wrong: the part left by an earlier download may be damaged. */
async function fill(download: Download, partial: PartialBlob, file: RemoteFile, onBytes: (bytes: number) => void): Promise<void> {
  for (let again = true; ; again = false) {
    await receive(download, partial, file, onBytes);
    if (partial.isIntact()) return;
    const found =
      partial.size === file.size ? "their hash differs from the one that the hub states" : `expected ${file.size} bytes, found more`;
    await partial.restart();
    if (!again) {
      throw new SparseRerankError(
        "ERR_HUB_RESPONSE",
        `${download.source.repository}: the contents received for ${file.path} are not the file (${found}). ` +
          "A proxy may modify responses; check proxies and HF_ENDPOINT. The file was discarded.",
      );
    }
  }
}

/** Receives until all bytes are present, or more than the file has. */
async function receive(download: Download, partial: PartialBlob, file: RemoteFile, onBytes: (bytes: number) => void): Promise<void> {
  const { connection, source, commit } = download;
  await withRetries(connection, async (advanced) => {
    if (partial.size >= file.size) return;
    const start = partial.size;
    const answer = await getFile(connection, source, commit, file, start);
    if (start > 0 && !continuesAt(answer.status, answer.headers.get("content-range"), start)) await partial.restart();
    if (answer.status === 416) {
      answer.discard();
      throw new HubNetworkError(`${answer.source} does not have the ${file.size} bytes that its listing states. Try again.`);
    }
    const goal = partial.size + ADVANCE_BYTES;
    for await (const chunk of answer.chunks()) {
      await partial.append(chunk);
      onBytes(Math.min(partial.size, file.size));
      if (partial.size >= goal) advanced();
      if (partial.size > file.size) return;
    }
    if (partial.size < file.size) {
      throw new HubNetworkError(
        `${answer.source} ended after ${partial.size} of ${file.size} bytes. Load the model again: the download resumes there.`,
      );
    }
  });
}

/** Whether the response starts at `start`: a server may ignore the range and send the whole file. */
function continuesAt(status: number, contentRange: string | null, start: number): boolean {
  return status === 206 && Number(/^bytes (\d+)-/.exec(contentRange ?? "")?.[1]) === start;
}
