/**
 * Icons: 24 units wide, drawn in the colour of the text.
 *
 * @module
 */

const PATHS = {
  now: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  day: "M3 20h18M5 20v-5M9 20V9M13 20v-8M17 20V5",
  events: "M4 6h16M4 12h16M4 18h10",
  calendar: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4",
  clock: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5l3 2",
  previous: "M15 5l-7 7l7 7",
  next: "M9 5l7 7l-7 7",
  play: "M7 4l13 8l-13 8z",
  pause: "M8 5v14M16 5v14",
  download: "M12 4v11M7 11l5 5l5-5M4 20h16",
  link: "M10 14a4 4 0 0 0 6 0l4-4a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-4 4a4 4 0 0 0 6 6l1-1",
  lock: "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3",
  unlock: "M6 11h12v9H6zM8 11V8a4 4 0 0 1 7.5-2",
  archive: "M4 4h16v5H4zM6 9v11h12V9M10 13h4",
  pruned: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  check: "M5 12l5 5l9-10",
  close: "M6 6l12 12M18 6L6 18",
  curve: "M3 17l5-6l4 3l4-8l5 5",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon. What it means must be said beside it, as text or label. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
