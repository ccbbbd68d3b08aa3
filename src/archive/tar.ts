/**
 * Writes files of a day as one tar, in pieces, so a day of 10 GB takes no more memory than a small
 * one.
 *
 * @module
 */

import { createTarPacker, type TarPackController } from "modern-tar";
import { close, fsync, writeBytes } from "../os/files.ts";
import {
  type Content,
  contentOf,
  piecesOf,
  ReadError,
  removeQuietly,
  replaceFile,
  sumOf,
  sumOnDisk,
  WrongCopy,
} from "./content.ts";
import { MANIFESTS, manifestName, type Member, sumName } from "./layout.ts";
import type { ArchiveRoot } from "./root.ts";
import type { Source } from "./source.ts";

/** Permissions of the members. */
const MODE = 0o644;

/** What a tar is made of. */
export interface TarOptions {
  readonly root: ArchiveRoot;
  readonly source: Source;
  readonly members: readonly Member[];
  readonly date: string;
  /** Its name. */
  readonly name: string;
  /** Is called before each member; throws to give up. */
  readonly onMember: (member: Member) => Promise<void>;
  /** Is told of a member that is left out because it cannot be read. */
  readonly onUnreadable: (member: Member, reason: string) => void;
  /** The manifest as text, when these members have these sums. */
  readonly manifest: (sums: ReadonlyMap<string, string>) => string;
}

/** What is in a tar that was written. */
export interface WrittenTar {
  /** The sums of its members. */
  readonly sums: ReadonlyMap<string, string>;
  /** The bytes of its members. */
  readonly bytes: number;
}

/**
 * Writes a tar, reads it back from the disk, gives it its name, and writes its checksum beside it.
 * If no member can be read, there is no tar.
 *
 * @throws {ReadError}, {WrongCopy} and {SystemError}; then there is no tar of this name
 */
export async function writeTar(options: TarOptions): Promise<WrittenTar> {
  const { root, name } = options;
  const { folder, unfinished } = root;
  try {
    const fd = folder.create(unfinished);
    let written: WrittenTar & { readonly sum: string };
    try {
      written = await fill(fd, options);
      fsync(fd);
      if (sumOnDisk(contentOf(fd)) !== written.sum)
        throw new WrongCopy(`What was written to ${folder.path}/${name} reads differently`);
    } finally {
      close(fd);
    }
    if (written.sums.size === 0) {
      folder.unlink(unfinished);
      return written;
    }
    root.check();
    if (!folder.moveNew(unfinished, folder, name))
      throw new WrongCopy(`${folder.path}/${name} is there already`);
    folder.flush();
    writeSum(root, name, written.sum);
    return written;
  } catch (error) {
    removeQuietly(folder, unfinished);
    throw error;
  }
}

/** Writes the checksum of a tar beside it, in the form of sha256sum. @throws {SystemError} */
export function writeSum(root: ArchiveRoot, name: string, sum: string): void {
  const { folder, unfinished } = root;
  replaceFile(folder, unfinished, folder, sumName(name), `${sum}  ${name}\n`);
}

/** Writes all members to an open file. @returns the sum of the whole */
async function fill(
  fd: number,
  options: TarOptions,
): Promise<WrittenTar & { readonly sum: string }> {
  const { readable, controller } = createTarPacker();
  const hasher = new Bun.CryptoHasher("sha256");
  const drain = async (): Promise<void> => {
    for await (const piece of readable) {
      hasher.update(piece);
      writeBytes(fd, piece);
    }
  };
  const [drained, packed] = await Promise.allSettled([drain(), pack(controller, options)]);
  // If both failed, the disk's error is the cause of the other one.
  if (drained.status === "rejected") throw drained.reason;
  if (packed.status === "rejected") throw packed.reason;
  return { ...packed.value, sum: hasher.digest("hex") };
}

async function pack(controller: TarPackController, options: TarOptions): Promise<WrittenTar> {
  const { source, members, date, onMember, manifest } = options;
  const sums = new Map<string, string>();
  let bytes = 0;
  try {
    for (const member of members) {
      await onMember(member);
      if (!isReadable(member, options)) continue;
      const entry = source.entry(member);
      // It was removed meanwhile.
      if (entry === undefined) continue;
      const fd = source.open(member);
      if (fd === undefined) continue;
      try {
        const content = contentOf(fd);
        sums.set(member.path, await add(controller, member.path, content, entry.modifiedS));
        bytes += content.size;
      } catch (error) {
        if (!(error instanceof ReadError)) throw error;
        throw new ReadError(`${member.path} cannot be read: ${error.message}`, { cause: error });
      } finally {
        close(fd);
      }
    }
    const text = Buffer.from(manifest(sums));
    const mtime = new Date();
    const name = `${MANIFESTS}/${manifestName(date)}`;
    const writer = controller.add({ name, size: text.byteLength, mtime, mode: MODE }).getWriter();
    await writer.write(text);
    await writer.close();
    controller.finalize();
    return { sums, bytes };
  } catch (error) {
    controller.error(error);
    throw error;
  }
}

/** A member cannot be taken back out of a tar, so it is read before it is begun. */
function isReadable(member: Member, { source, onUnreadable }: TarOptions): boolean {
  try {
    return source.read(member, (content) => sumOf(content)) !== undefined;
  } catch (error) {
    if (!(error instanceof ReadError)) throw error;
    onUnreadable(member, error.message);
    return false;
  }
}

async function add(
  controller: TarPackController,
  name: string,
  content: Content,
  modifiedS: number,
): Promise<string> {
  const mtime = new Date(Math.max(0, modifiedS) * 1000);
  const writer = controller.add({ name, size: content.size, mtime, mode: MODE }).getWriter();
  const hasher = new Bun.CryptoHasher("sha256");
  for (const piece of piecesOf(content)) {
    hasher.update(piece);
    await writer.write(piece);
  }
  await writer.close();
  return hasher.digest("hex");
}
