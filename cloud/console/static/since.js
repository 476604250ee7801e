// Time that has passed, by whichever clock says more: a computer's sleep stops one, and a person sets the other.

export class Since {
  constructor() {
    this.mark();
  }

  mark() {
    this.steady = performance.now();
    this.wall = Date.now();
  }

  ms() {
    return Math.max(performance.now() - this.steady, Date.now() - this.wall);
  }
}
