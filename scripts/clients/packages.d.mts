export const NPM: readonly string[];
export const PYTHON: readonly string[];
export function npmClients(): string;
export function pythonClients(): string;
