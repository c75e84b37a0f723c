export interface Server {
  /** In the form that clients accept. */
  readonly address: string;
  readonly port: number;
  readonly data: string;
  /** @param signal default SIGTERM @param keepData keeps the data folder for the next start */
  stop(signal?: NodeJS.Signals, keepData?: boolean): Promise<void>;
}

export type ServerName = "opensearch" | "elasticsearch8" | "elasticsearch9" | "postgres" | "milvus" | "qdrant" | "redis";

export const servers: Readonly<Record<ServerName, () => Promise<Server>>>;

export function startRedis(options?: { readonly port?: number; readonly data?: string }): Promise<Server>;
