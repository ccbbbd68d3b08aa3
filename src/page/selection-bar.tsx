/**
 * What can be done with the chosen images.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { counted, grouped } from "./amounts.ts";
import { withQuery } from "./api.ts";
import type { DayImages } from "./day-images.ts";
import { Icon } from "./icons.tsx";
import { endSelecting, protect, saveZip, selected, SELECTED_MAX } from "./selection.ts";

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

  async function setProtected(isProtected: boolean): Promise<void> {
    busy.value = true;
    try {
      const problems = await protect(date, names, isProtected);
      images.refresh(true);
      said.value = problems.length > 0 ? problems.join(". ") : doneText(names.size, isProtected);
    } catch (error) {
      said.value = `That did not work: ${(error as Error).message}`;
    } finally {
      busy.value = false;
    }
  }

  const isIdle = names.size === 0 || busy.value;
  return (
    <section class="selection-bar" aria-label="Chosen images">
      <p role="status">{said.value || chosenText(names.size)}</p>
      <div class="row">
        <button class="primary" disabled={isIdle} onClick={() => saveZip(date, names)}>
          <Icon name="download" /> ZIP
        </button>
        <button disabled={isIdle} onClick={() => void setProtected(true)}>
          <Icon name="lock" /> Protect
        </button>
        <button disabled={isIdle} onClick={() => void setProtected(false)}>
          <Icon name="unlock" /> Unprotect
        </button>
        {total > 0 && total <= ZIP_MAX && (
          <a
            class="button"
            href={withQuery("api/v1/zip", { date, camera: cameras })}
            download={`imagehub-${date}.zip`}
          >
            All {grouped(total)} as ZIP
          </a>
        )}
        <button onClick={endSelecting}>Done</button>
      </div>
    </section>
  );
}

function doneText(count: number, isProtected: boolean): string {
  const what = counted(count, "image");
  return isProtected ? `${what} protected: no rule deletes them.` : `${what} no longer protected.`;
}

function chosenText(count: number): string {
  if (count === 0) return "Click images to choose them. Shift chooses all in between.";
  const chosen = `${counted(count, "image")} chosen`;
  return count < SELECTED_MAX ? chosen : `${chosen}: a ZIP cannot hold more`;
}
