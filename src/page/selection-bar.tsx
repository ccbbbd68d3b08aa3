/**
 * What can be done with the chosen images.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { counted, grouped } from "./amounts.ts";
import { ApiError, withQuery } from "./api.ts";
import type { DayImages } from "./day-images.ts";
import { isView } from "./hubs.tsx";
import { Icon } from "./icons.tsx";
import { jumping } from "./jump.tsx";
import { endSelecting, isFull, protect, saveZip, selected } from "./selection.ts";

/** The hub's bound of one ZIP of a day. */
const ZIP_MAX = 20_000;

interface SelectionProps {
  readonly images: DayImages;
  readonly cameras: readonly string[];
}

/** A bar below the images. */
export function SelectionBar({ images, cameras }: SelectionProps) {
  const { date } = images;
  const said = useSignal("");
  const busy = useSignal(false);
  const names = selected.value;
  const total = images.total.value ?? 0;

  // What was said of others is no longer true.
  useEffect(() => {
    said.value = "";
  }, [names]);
  useEscape(endSelecting);

  /** @param action returns what is said then */
  async function act(action: () => Promise<string>): Promise<void> {
    busy.value = true;
    said.value = "";
    try {
      const text = await action();
      if (selected.peek() === names) said.value = text;
    } catch (error) {
      said.value = `That did not work: ${reasonOf(error)}`;
    } finally {
      busy.value = false;
    }
  }

  async function setProtected(isProtected: boolean): Promise<string> {
    const problems = await protect(date, names, isProtected);
    images.refresh();
    return problems.length > 0 ? problems.join(". ") : doneText(names.size, isProtected);
  }

  async function save(): Promise<string> {
    await saveZip(date, names);
    return `${counted(names.size, "image")} saved.`;
  }

  const isIdle = names.size === 0 || busy.value;
  return (
    <section class="selection-bar" aria-label="Chosen images">
      <div class="row">
        <p role="status">
          {said.value || (busy.value ? "Just a moment …" : chosenText(names.size))}
        </p>
        <button onClick={endSelecting}>Done</button>
      </div>
      <div class="row">
        <button class="primary" disabled={isIdle} onClick={() => void act(save)}>
          <Icon name="download" /> ZIP
        </button>
        {!isView() && (
          <>
            <button disabled={isIdle} onClick={() => void act(() => setProtected(true))}>
              <Icon name="lock" /> Protect
            </button>
            <button disabled={isIdle} onClick={() => void act(() => setProtected(false))}>
              <Icon name="unlock" /> Unprotect
            </button>
          </>
        )}
        {total > 0 && total <= ZIP_MAX && (
          <a
            class="button"
            href={withQuery("api/v1/zip", { date, camera: cameras })}
            download={`imagehub-${date}.zip`}
          >
            All {grouped(total)} as ZIP
          </a>
        )}
      </div>
    </section>
  );
}

function reasonOf(error: unknown): string {
  return error instanceof ApiError ? error.message : "the hub does not answer";
}

function doneText(count: number, isProtected: boolean): string {
  const what = counted(count, "image");
  return isProtected ? `${what} protected: no rule deletes them.` : `${what} no longer protected.`;
}

function chosenText(count: number): string {
  if (isFull.value) return `${counted(count, "image")} at a time can be chosen`;
  if (count > 0) return `${counted(count, "image")} chosen`;
  return matchMedia("(pointer: fine)").matches
    ? "Click images to choose them. Shift chooses all in between."
    : "Tap images to choose them.";
}

function useEscape(action: () => void): void {
  useEffect(() => {
    const pressed = ({ key, target }: KeyboardEvent): void => {
      if (key !== "Escape" || jumping.peek()) return;
      if ((target as HTMLElement).closest("input, select") === null) action();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
}
