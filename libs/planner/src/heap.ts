/** A binary heap whose best element is on top. Its owner may worsen the top in place and then call `sinkTop`. */
export class Heap<T> {
  private readonly items: T[] = [];

  constructor(private readonly isBetter: (a: T, b: T) => boolean) {}

  peek(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    const { items } = this;
    let index = items.length;
    items.push(item);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || !this.isBetter(item, parent)) break;
      items[index] = parent;
      index = above;
    }
    items[index] = item;
  }

  pop(): T | undefined {
    const top = this.items[0];
    const last = this.items.pop();
    if (last !== undefined && this.items.length > 0) {
      this.items[0] = last;
      this.sinkTop();
    }
    return top;
  }

  /** Restores the order after the top has become worse. */
  sinkTop(): void {
    const { items } = this;
    const item = items[0];
    if (item === undefined) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      let child = items[below];
      if (child === undefined) break;
      const right = items[below + 1];
      if (right !== undefined && this.isBetter(right, child)) {
        below += 1;
        child = right;
      }
      if (!this.isBetter(child, item)) break;
      items[index] = child;
      index = below;
    }
    items[index] = item;
  }
}
