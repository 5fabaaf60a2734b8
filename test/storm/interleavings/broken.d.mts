export const broken: Record<string, { scenario: string }>;
