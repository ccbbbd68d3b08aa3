/**
 * Copies a text.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { Icon, type IconName } from "./icons.tsx";

const SAID_MS = 2000;

interface CopyProps {
  /** What is copied. A function is asked when it is. */
  readonly text: string | (() => string);
  readonly label: string;
  readonly icon?: IconName;
}

/** A button that copies a text, and says so. */
export function CopyButton({ text, label, icon }: CopyProps) {
  const isCopied = useSignal(false);
  async function copy(): Promise<void> {
    await write(typeof text === "string" ? text : text());
    isCopied.value = true;
    setTimeout(() => (isCopied.value = false), SAID_MS);
  }
  return (
    <button class="quiet" onClick={() => void copy()}>
      {icon !== undefined && <Icon name={isCopied.value ? "check" : icon} />}
      <span aria-live="polite">{isCopied.value ? "Copied" : label}</span>
    </button>
  );
}

async function write(text: string): Promise<void> {
  // Browsers have the clipboard only on this machine and over TLS; a farm's hub has often neither.
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
