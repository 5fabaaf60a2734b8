export function slowly(dir: string, fromMs: number, toMs: number): () => void;
