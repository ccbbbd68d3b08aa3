/**
 * Looks for damage: images that are not whole, names that are not the hub's, and an archive that is
 * not what its manifests say. Every byte is read.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { counted } from "../log/amounts.ts";
import { parseImageFileName } from "../protocol/names.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { contentOf, ReadError, sumOf, sumOnDisk, type Sums, sumsOf } from "./content.ts";
import { Holdings } from "./holdings.ts";
import { checkFor } from "./image-check.ts";
import { IMAGES, manifestName, MANIFESTS, type Member, parseMember, sumName } from "./layout.ts";
import { HOW_TO_MEND, type Manifest, readManifest } from "./manifest.ts";
import { ArchiveRoot } from "./root.ts";
import { Source } from "./source.ts";

/** What was found of a day. */
export interface DayFindings {
  readonly date: string;
  /** Files in the data directory that were read, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Files that the archive has by its manifest; undefined if the day is not archived. */
  readonly archived: number | undefined;
  /** What is wrong; complete messages. */
  readonly problems: readonly string[];
  /** What is damaged and does not matter: all of the day is there in another place. */
  readonly notes: readonly string[];
}

/** How days are verified. */
export interface VerifyOptions {
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly shouldStop?: (() => boolean) | undefined;
  /** Is told of each file in the data directory, that was read. */
  readonly onRead?: ((member: Member, own: Sums) => void) | undefined;
}

/**
 * Verifies a day.
 *
 * @param archive the path of the archive; empty: without one
 * @throws {ArchiveProblem} if the archive is not there
 * @throws {SystemError} and {Error} of node:fs if a folder cannot be read
 */
export async function verifyDay(
  { directory: path }: Pick<Settings["archive"], "directory">,
  directory: DataDirectory,
  date: string,
  options: VerifyOptions = {},
): Promise<DayFindings> {
  using root = path === "" ? undefined : ArchiveRoot.open(path, directory);
  using source = new Source(directory, date);
  const verifying = new Verifying(source, date, options);
  return await verifying.run(root);
}

class Verifying {
  private readonly problems: string[] = [];
  private readonly notes: string[] = [];
  private files = 0;
  private bytes = 0;
  private done = 0;
  private total = 0;

  constructor(
    private readonly source: Source,
    private readonly date: string,
    private readonly options: VerifyOptions,
  ) {}

  async run(root: ArchiveRoot | undefined): Promise<DayFindings> {
    const { date, source, problems } = this;
    const manifest = root && this.attempt(() => readManifest(root.folder, date));
    const manifestProblems = problems.length;
    this.total = source.members.length + (manifest?.sums.size ?? 0);
    for (const name of source.foreign) problems.push(`${IMAGES}/${date}/${name} is not the hub's`);
    for (const member of source.members) {
      if (await this.isStopped()) break;
      this.attempt(() => this.verifyOwn(member, manifest), member.path);
    }
    if (root !== undefined && manifest !== undefined) await this.verifyArchived(root, manifest);
    // What is wrong with a damaged one is told already.
    else if (root !== undefined && manifestProblems === 0)
      this.attempt(() => this.tellUnlisted(root));
    const { files, bytes, notes } = this;
    return { date, files, bytes, archived: manifest?.sums.size, problems, notes };
  }

  /**
   * Tells of files in the archive without a manifest: nothing says whether they are what they were.
   * While all of them are still here, the next round of archiving makes it.
   */
  private tellUnlisted(root: ArchiveRoot): void {
    const { date, source, problems, notes } = this;
    using holdings = new Holdings(root, date);
    const own = new Set(source.members.map(({ path }) => path));
    const paths = [...holdings.paths()];
    if (paths.length === 0) return;
    const lost = paths.filter((path) => !own.has(path)).length;
    const what = `${MANIFESTS}/${manifestName(date)} in the archive is missing`;
    if (lost > 0)
      problems.push(
        `${what}, and ${counted(lost, "file")} of the day can be found only there: ${HOW_TO_MEND}`,
      );
    else notes.push(`${what}: the day is not archived yet; imagehub archive ${date} does that`);
  }

  private verifyOwn(member: Member, manifest: Manifest | undefined): void {
    const image = parseImageFileName(member.name, this.date);
    const check = image && checkFor(image.suffix);
    const { onRead } = this.options;
    const feed = check && ((piece: Buffer): void => check.feed(piece));
    const sum = this.source.read(member, (content) => {
      this.files++;
      this.bytes += content.size;
      if (onRead === undefined) return sumOf(content, feed);
      const own = sumsOf(content, feed);
      onRead(member, own);
      return own.sha256;
    });
    // It was removed meanwhile.
    if (sum === undefined) return;
    const problem = check?.problem();
    if (problem !== undefined) this.problems.push(`${member.path} ${problem}`);
    const known = manifest?.sums.get(member.path);
    if (known !== undefined && known !== sum)
      this.problems.push(`${member.path} differs from what was archived`);
  }

  private async verifyArchived(root: ArchiveRoot, manifest: Manifest): Promise<void> {
    using holdings = this.attempt(() => new Holdings(root, this.date));
    if (holdings === undefined) return;
    const before = this.problems.length;
    for (const [path, sum] of manifest.sums) {
      if (await this.isStopped()) return;
      const where = `${path} in the archive`;
      this.attempt(() => {
        const found = holdings.read(parseMember(path, this.date)!, sumOnDisk);
        if (found === undefined) this.problems.push(`${where} is missing`);
        else if (found !== sum) this.problems.push(`${where} is not what its manifest says`);
      }, where);
    }
    const isWhole = this.problems.length === before;
    for (const tar of holdings.tars) {
      if (await this.isStopped()) return;
      this.attempt(() => this.verifyTar(root, tar, isWhole), `${tar.name} in the archive`);
    }
  }

  /** @param isWhole whether each file of the day is good there, in whatever tar */
  private verifyTar(
    { folder }: ArchiveRoot,
    tar: { name: string; fd: number },
    isWhole: boolean,
  ): void {
    const expected = unlessMissing(() => new TextDecoder().decode(folder.read(sumName(tar.name))));
    if (expected === undefined) {
      this.problems.push(`${sumName(tar.name)} in the archive is missing`);
      return;
    }
    const damage = damageOf(tar, expected);
    if (damage === undefined) return;
    if (isWhole)
      this.notes.push(`${damage}, but the archive has a good copy of each file of ${this.date}`);
    else this.problems.push(damage);
  }

  /** Goes on with the rest if something cannot be read. */
  private attempt<T>(action: () => T, what?: string): T | undefined {
    try {
      return action();
    } catch (error) {
      const isOne = error instanceof ReadError || what !== undefined;
      this.problems.push(isOne ? `${what} cannot be read: ${messageOf(error)}` : messageOf(error));
      return undefined;
    }
  }

  private async isStopped(): Promise<boolean> {
    this.options.onProgress?.(this.done++, this.total);
    await new Promise((resolve) => setImmediate(resolve));
    return this.options.shouldStop?.() === true;
  }
}

/** What is wrong with a tar as a whole. @param expected its checksum, as sha256sum prints it */
function damageOf(
  { name, fd }: { name: string; fd: number },
  expected: string,
): string | undefined {
  try {
    if (`${sumOnDisk(contentOf(fd))}  ${name}\n` === expected) return undefined;
    return `${name} in the archive is not what ${sumName(name)} says`;
  } catch (error) {
    if (!(error instanceof ReadError)) throw error;
    return `${name} in the archive cannot be read: ${error.message}`;
  }
}
