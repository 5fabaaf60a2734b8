// The memory handler with its sessions in files: correct by temporary file and rename, or broken as
// files are broken in the wild.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync } from "node:fs";
import { readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errno, placeFailed } from "../src/core/error.ts";
import { MemoryHandler, type Stored } from "../src/testing/memory-handler.ts";
import { StillPlace } from "./_still-place.ts";

export class FilesPlace extends StillPlace {
  readonly #base: string = mkdtempSync(join(tmpdir(), "filesession-"));
  /** Deep enough for `../../../a` to stay inside of what `close` removes. */
  readonly dir: string = join(this.#base, "1", "2", "3");
  temporary = 0;

  constructor() {
    super();
    mkdirSync(this.dir, { recursive: true });
  }

  override async close(): Promise<void> {
    await rm(this.#base, { recursive: true });
  }
}

export class FilesHandler extends MemoryHandler {
  readonly #place: FilesPlace;

  constructor(place: FilesPlace) {
    super(place);
    this.#place = place;
  }

  nameOf(id: string): string {
    // By way of JSON, which keeps lone surrogates apart; UTF-8 does not.
    return createHash("sha256").update(JSON.stringify(id)).digest("hex");
  }

  async put(file: string, text: string): Promise<void> {
    const temporary = join(this.#place.dir, `.${this.#place.temporary++}`);
    await writeFile(temporary, text);
    await rename(temporary, file);
  }

  override async ids(): Promise<string[]> {
    this.place.check();
    const names = await readdir(this.#place.dir);
    const files = await Promise.all(
      names
        .filter((name) => !name.startsWith("."))
        .map((name) => readFile(join(this.#place.dir, name), "utf8")),
    );
    return files.map((text) => (JSON.parse(text) as { id: string }).id);
  }

  override async read(id: string): Promise<Stored | undefined> {
    this.place.check();
    const file = this.#fileOf(id);
    try {
      const text = await readFile(file, "utf8");
      return (JSON.parse(text) as { stored: Stored }).stored;
    } catch (error) {
      if (errno(error) === "ENOENT") return undefined;
      throw placeFailed("read", id, error);
    }
  }

  override async save(id: string, stored: Stored): Promise<void> {
    this.place.check();
    await this.put(this.#fileOf(id), JSON.stringify({ id, stored }));
  }

  override async delete(id: string): Promise<void> {
    this.place.check();
    await rm(this.#fileOf(id), { force: true });
  }

  #fileOf(id: string): string {
    return join(this.#place.dir, this.nameOf(id));
  }
}
