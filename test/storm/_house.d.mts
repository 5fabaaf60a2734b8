export function secretOf(user: number): string;
export function idOf(secret: string): string;
