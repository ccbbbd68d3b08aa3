/**
 * Leaves a component as it is while its properties are the same. Preact has this only in a package
 * that imitates React, which is larger than all of it.
 *
 * @module
 */

import { Component, type ComponentChild, type FunctionComponent, h } from "preact";

/** A component that is drawn anew only if one of its properties is another one. */
export function memo<P extends object>(inner: FunctionComponent<P>): new () => Component<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const keys = Object.keys(next) as (keyof P)[];
      return keys.some((key) => next[key] !== (this.props as P)[key]);
    }

    override render(props: P): ComponentChild {
      return h(inner, props);
    }
  };
}
