export class NaiveHandler {
  constructor(options: { fileDir: string });
  store(id: string, data: unknown, options?: { oldId?: string }): Promise<void>;
}
