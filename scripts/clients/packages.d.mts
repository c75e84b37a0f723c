export const NPM: readonly string[];
export const PYTHON: readonly string[];
export const OPENAPI_LINTER: string;
export function npmClients(): string;
export function openApiLinter(): string;
export function pythonClients(): string;
