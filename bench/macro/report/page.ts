import type { Row } from '../row.ts'
export function reportPage(rows: Row[], _about: { scale: string; date: Date }): string { return JSON.stringify(rows) }
