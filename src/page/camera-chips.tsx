/**
 * Cameras to choose from.
 *
 * @module
 */

interface ChipsProps {
  readonly names: readonly string[];
  readonly chosen: readonly string[];
  readonly onChange: (chosen: string[]) => void;
}

/** A chip for each camera. None chosen means all. */
export function CameraChips({ names, chosen, onChange }: ChipsProps) {
  // A link may name a camera that has nothing on this day.
  const all = [...new Set([...names, ...chosen])].toSorted();
  if (all.length < 2 && chosen.length === 0) return null;
  const toggled = (name: string): string[] =>
    chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name];
  return (
    <div class="chips" role="group" aria-label="Cameras">
      {all.map((name) => (
        <button
          type="button"
          class="chip"
          key={name}
          aria-pressed={chosen.includes(name)}
          onClick={() => onChange(toggled(name))}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
