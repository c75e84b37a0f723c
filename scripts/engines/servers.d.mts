export interface Server {
  /** As clients take it. */
  readonly address: string;
  readonly port: number;
  readonly data: string;
  /** @param signal default SIGTERM @param keepData leaves the data folder for another start */
  stop(signal?: NodeJS.Signals, keepData?: boolean): Promise<void>;
}

export type ServerName = "opensearch" | "elasticsearch8" | "elasticsearch9" | "postgres" | "milvus" | "qdrant" | "redis";

export const servers: Readonly<Record<ServerName, () => Promise<Server>>>;

export function startRedis(options?: { readonly port?: number; readonly data?: string }): Promise<Server>;
