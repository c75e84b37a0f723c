export function missingTargets(text: string, folder: string): string[];
export function withAbsoluteLinks(text: string, folder: string, repository: string, tag: string): string;
