/**
 * Amounts of bytes as people write them: `200 GB`, `1.5 TB`, `64 GiB`, `500000`; of a disk also `5
 * %`.
 *
 * @module
 */

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const AMOUNT = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/;
const PER_CENT = /^(\d+(?:\.\d+)?) ?%$/;

/** An amount as a person wrote it. */
export type Quantity = string | number;

/** The bytes in an amount. @returns undefined if it is none */
export function bytesIn(quantity: Quantity): number | undefined {
  const [, digits, unit = ""] = AMOUNT.exec(String(quantity).trim()) ?? [];
  const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (digits === undefined || factor === undefined) return undefined;
  const bytes = Math.floor(Number(digits) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/**
 * The bytes in an amount that may be a part of a disk.
 *
 * @param sizeBytes of the disk
 * @returns undefined if it is neither
 */
export function bytesOfDisk(quantity: Quantity, sizeBytes: number): number | undefined {
  const perCent = perCentIn(quantity);
  return perCent === undefined ? bytesIn(quantity) : Math.floor((sizeBytes * perCent) / 100);
}

/** The number of a percentage below 100. @returns undefined if it is none */
export function perCentIn(quantity: Quantity): number | undefined {
  const [, digits] = PER_CENT.exec(String(quantity).trim()) ?? [];
  return digits === undefined || Number(digits) >= 100 ? undefined : Number(digits);
}
