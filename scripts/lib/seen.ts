/**
 * All images that `imagehub view` shows.
 *
 * @module
 */

import type { Days, ImageList } from "../../src/page/answers.ts";
import { identityIn } from "../../test/support/peers/crowd.ts";

/** Images in one list, and how many are got at a time. */
const LIST_MAX = 1000;
const GETS = 16;

/**
 * Looks at every image.
 *
 * @param page the address of the view
 * @returns how often it shows each, by what stands in it
 */
export async function imagesSeen(page: string): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  const { days } = await ask<Days>(`${page}/api/v1/days`);
  for (const { date } of days) {
    const names: string[] = [];
    for (let total = 1; names.length < total;) {
      const list = await ask<ImageList>(
        `${page}/api/v1/days/${date}/images?limit=${LIST_MAX}&offset=${names.length}`,
      );
      ({ total } = list);
      if (list.images.length === 0) break;
      names.push(...list.images.map(({ name }) => name));
    }
    const getOthers = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        const path = `api/v1/days/${date}/images/${encodeURIComponent(name)}`;
        const identity = identityIn(await (await answerOf(`${page}/${path}`)).bytes());
        seen.set(identity, (seen.get(identity) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: GETS }, getOthers));
  }
  return seen;
}

async function answerOf(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response;
}

async function ask<T>(url: string): Promise<T> {
  return (await (await answerOf(url)).json()) as T;
}
