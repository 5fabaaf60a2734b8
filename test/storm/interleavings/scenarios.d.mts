export const scenarios: Record<string, { does: string[] }>;
