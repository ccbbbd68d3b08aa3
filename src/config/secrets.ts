/**
 * Shows settings without the secrets in them.
 *
 * @module
 */

import { getAt, isGroup, setAt } from "./layer.ts";
import { SETTINGS, type Setting, type Settings } from "./schema.ts";

/** A URL without what may be secret in it, such as `https://ntfy.sh/…`. */
export function shownUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null) return "…";
  const { protocol, host, pathname, search } = url;
  return `${protocol}//${host}${pathname + search === "/" ? "" : "/…"}`;
}

/** Whether a value of a setting may be a secret. */
export function mayBeSecret({ secretKeys, isSecret }: Setting): boolean {
  return secretKeys !== undefined || isSecret === true;
}

/** The value of a setting for people. */
export function shownValue({ secretKeys, isSecret }: Setting, value: unknown): unknown {
  if (isSecret === true) return value === "" ? "" : "…";
  if (secretKeys === undefined || !Array.isArray(value)) return value;
  return value.map((entry: unknown) =>
    isGroup(entry)
      ? Object.fromEntries(
          Object.entries(entry).map(([key, each]) => [
            key,
            secretKeys.includes(key) ? shownUrl(String(each)) : each,
          ]),
        )
      : entry,
  );
}

/** Settings for people. */
export function withoutSecrets(settings: Settings): Settings {
  const shown = structuredClone(settings);
  for (const setting of SETTINGS.filter(mayBeSecret))
    setAt(shown, setting.path, shownValue(setting, getAt(settings, setting.path)));
  return shown;
}
