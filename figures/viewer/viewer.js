"use strict";
// Legend: a side is one network; a set is one image's weights of one side; a row of weights is one query's map
// (encoders) or one neighbour's weight at every place (SAN). A weight is low + byte / levels * span of its row.
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const find = (id) => document.getElementById(id);
  const state = { picture: 0, layer: 0, view: facts.view, scale: "shared", pixel: facts.pixel, pinned: false, probe: null };
  const size = facts.image_size;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const sequential = ["fdfbf7", "f8dfc4", "f1ae84", "df6f5e", "b23a5d", "722060", "30123b"];
  const diverging = ["2d004b", "8073ac", "d8daeb", "f7f7f7", "fee0b6", "e08214", "7f3b08"];

  // ---- weights: base64 -> bytes -> inflated, one layer at a time, kept once read
  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);
  async function inflate(bytes) {
    if (typeof DecompressionStream === "undefined")
      throw new Error("this browser cannot unpack the weights; one of 2023 or later can");
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  const unpacked = new Map();
  function unpack(side, picture, layer) {
    const id = `w-${side}-${picture}-${layer}`;
    if (!unpacked.has(id)) {
      const spec = facts.sides[side].sets[picture][layer];
      const made = inflate(bytesOf(find(id).textContent.trim())).then((bytes) => ({
        bytes, low: floatsOf(spec.low), span: floatsOf(spec.span), average: spec.average ? floatsOf(spec.average) : null,
      }));
      unpacked.set(id, made);
    }
    return unpacked.get(id);
  }

  // ---- numbers
  const tokenOf = (n) => [Math.floor((state.pixel[0] * n) / size), Math.floor((state.pixel[1] * n) / size)];
  function readMap(side, set, layer, head) {
    const n = layer.side, count = n * n;
    if (state.view === "average" && set.average) return set.average.subarray(head * count, (head + 1) * count);
    const [row, column] = tokenOf(n);
    const line = side.local ? head : head * count + row * n + column;
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++)
      values[i] = set.low[line] + (set.bytes[line * count + i] / facts.levels) * set.span[line];
    return values;
  }
  const show = (value) => (value === 0 ? "0" : Math.abs(value) < 0.001 ? value.toExponential(1) : value.toPrecision(3));

  // ---- colours
  function ramp(signed) {
    const stops = (signed ? diverging : dark.matches ? [...sequential].reverse() : sequential)
      .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    const table = new Uint8Array(256 * 3);
    for (let i = 0; i < 256; i++) {
      const at = (i / 255) * (stops.length - 1), from = Math.min(Math.floor(at), stops.length - 2);
      for (let c = 0; c < 3; c++)
        table[3 * i + c] = Math.round(stops[from][c] + (at - from) * (stops[from + 1][c] - stops[from][c]));
    }
    return table;
  }
  const rangeOf = (maps) => {
    let low = 0, high = 0;
    for (const map of maps) for (const value of map) {
      if (value < low) low = value;
      if (value > high && value < Infinity) high = value; // R3 is infinite for a pixel that nobody looks at
    }
    return low < 0 ? [-Math.max(high, -low), Math.max(high, -low)] : [0, high || 1];
  };
  // a canvas has as many pixels as the screen gives it, so that squares and their outlines stay sharp
  const wideOf = (canvas) => Math.max(64, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
  function paint(canvas, values, n, [low, high], table, square, signed) {
    const wide = wideOf(canvas), step = wide / n;
    canvas.width = canvas.height = wide;
    const context = canvas.getContext("2d"), picture = context.createImageData(n, n);
    for (let i = 0; i < n * n; i++) {
      const share = Math.min(1, Math.max(0, (values[i] - low) / (high - low)));
      const at = 3 * Math.round(255 * (signed ? share : Math.sqrt(share)));
      picture.data.set([table[at], table[at + 1], table[at + 2], 255], 4 * i);
    }
    const small = new OffscreenCanvas(n, n);
    small.getContext("2d").putImageData(picture, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, wide, wide);
    if (square) outline(context, square[1] * step, square[0] * step, step);
  }
  function outline(context, x, y, side) {
    const unit = window.devicePixelRatio || 1;
    for (const [colour, line] of [["#ffffff", 4.5], [facts.mark, 2.2]]) {
      context.lineWidth = line * unit;
      context.strokeStyle = colour;
      context.strokeRect(x, y, side, side);
    }
  }

  // ---- image
  const pixelsOf = facts.pictures.map((picture) => {
    const rgb = bytesOf(picture.rgb), small = new OffscreenCanvas(size, size), data = new ImageData(size, size);
    for (let i = 0; i < size * size; i++) data.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
    small.getContext("2d").putImageData(data, 0, 0);
    return small;
  });
  function paintImage(canvas, picture, wide, mark) {
    canvas.width = canvas.height = wide;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(pixelsOf[picture], 0, 0, wide, wide);
    if (state.probe && mark !== null) {
      const spot = wide / state.probe.n;
      context.fillStyle = "#ffffff88";
      context.fillRect(state.probe.column * spot, state.probe.row * spot, spot, spot);
    }
    if (!mark) return;
    const n = layerSide(), [row, column] = tokenOf(n), step = wide / n;
    outline(context, column * step, row * step, step);
  }
  function layerSide() {
    for (const side of facts.sides) if (side.layers[state.layer]) return side.layers[state.layer].side;
    return 1;
  }

  // ---- the heads of every side, rebuilt only when their number changes
  let cells = [];
  function lay() {
    const holder = find("sides");
    holder.replaceChildren();
    holder.style.setProperty("--sides", facts.sides.length);
    cells = facts.sides.map((side) => {
      const block = document.createElement("section"), title = document.createElement("h2");
      const layer = side.layers[state.layer];
      const parts = [facts.sides.length > 1 ? side.title : null, layer ? layer.name : null];
      title.textContent = parts.filter(Boolean).join(" · ");
      block.append(title);
      holder.append(block);
      if (!layer) {
        const note = document.createElement("p");
        note.className = "absent";
        note.textContent = `no layer ${state.layer + 1}`;
        block.append(note);
        return [];
      }
      const heads = document.createElement("div");
      heads.className = "heads";
      heads.style.setProperty("--columns", Math.ceil(Math.sqrt(layer.heads)));
      block.append(heads);
      return Array.from({ length: layer.heads }, (_, head) => {
        const figure = document.createElement("figure"), canvas = document.createElement("canvas");
        const caption = document.createElement("figcaption"), name = document.createElement("span"), value = document.createElement("span");
        figure.className = "head";
        name.textContent = layer.columns ? layer.columns[head] : `head ${head + 1}`;
        canvas.setAttribute("role", "img");
        caption.append(name, value);
        figure.append(canvas, caption);
        heads.append(figure);
        const cell = { canvas, value, n: layer.side, values: null, name: name.textContent };
        const at = (event) => {
          const box = canvas.getBoundingClientRect();
          const place = (offset, length) => Math.min(layer.side - 1, Math.max(0, Math.floor((offset / length) * layer.side)));
          state.probe = { row: place(event.clientY - box.top, box.height), column: place(event.clientX - box.left, box.width), n: layer.side };
          draw().catch(fail);
        };
        canvas.addEventListener("pointermove", at);
        canvas.addEventListener("pointerdown", at);
        canvas.addEventListener("pointerleave", () => { state.probe = null; draw().catch(fail); });
        return cell;
      });
    });
  }

  // ---- drawing: the newest call wins, older ones that still wait for weights give up
  let turn = 0;
  async function draw() {
    const mine = ++turn;
    const sets = await Promise.all(facts.sides.map((side, index) => side.layers[state.layer] ? unpack(index, state.picture, state.layer) : null));
    if (mine !== turn) return;
    sets.forEach((set, index) => cells[index].forEach((cell, head) => {
      cell.values = readMap(facts.sides[index], set, facts.sides[index].layers[state.layer], head);
    }));
    const all = cells.flat(), shared = rangeOf(all.map((cell) => cell.values));
    const signed = all.some((cell) => cell.values.some((value) => value < 0));
    const table = ramp(signed);
    cells.forEach((heads, index) => heads.forEach((cell) => {
      const token = tokenOf(cell.n), square = state.view === "query" ? token : null;
      paint(cell.canvas, cell.values, cell.n, state.scale === "shared" ? shared : rangeOf([cell.values]), table, square, signed);
      const probe = state.probe && state.probe.n === cell.n ? [state.probe.row, state.probe.column] : null;
      const spot = probe || (facts.sides[index].local ? token : null);
      const told = spot ? cell.values[spot[0] * cell.n + spot[1]] : Math.max(...cell.values);
      cell.value.textContent = spot ? show(told) : `max ${show(told)}`;
      cell.canvas.setAttribute("aria-label", `${cell.name}, ${spot ? "weight" : "largest weight"} ${show(told)}`);
    }));
    paintImage(find("image"), state.picture, wideOf(find("image")), state.view === "query");
    paintBar(table, state.scale === "shared" ? shared : null);
    tell();
  }
  function paintBar(table, range) {
    const context = find("bar").getContext("2d"), line = context.createImageData(256, 1);
    for (let i = 0; i < 256; i++) {
      const at = range && range[0] < 0 ? i : Math.round(255 * Math.sqrt(i / 255));
      line.data.set([table[3 * at], table[3 * at + 1], table[3 * at + 2], 255], 4 * i);
    }
    context.putImageData(line, 0, 0);
    find("low").textContent = range ? show(range[0]) : "0";
    find("high").textContent = range ? show(range[1]) : "largest of each";
  }
  function tell() {
    const [row, column] = state.pixel, picture = facts.pictures[state.picture].name;
    const probe = state.probe ? ` · weight at token (${state.probe.row}, ${state.probe.column})` : "";
    const what = state.view === "query" ? `query pixel (${row}, ${column})${state.pinned ? ", pinned" : ""}` : facts.average.name;
    find("status").textContent = `${picture} · layer ${state.layer + 1} · ${what}${probe}`;
    find("meaning").textContent = state.view === "query" ? facts.query_meaning : facts.average.meaning;
    document.documentElement.dataset.drawn = String(turn);
  }

  // ---- choices
  function choices(id, names, current, choose, content) {
    const holder = find(id);
    names.forEach((name, index) => {
      const button = document.createElement("button");
      button.type = "button";
      if (content) { button.append(content(index)); button.title = name; button.setAttribute("aria-label", name); }
      else button.textContent = name;
      button.addEventListener("click", () => choose(index));
      holder.append(button);
    });
    return () => [...holder.children].forEach((button, index) => button.setAttribute("aria-pressed", String(index === current())));
  }
  const count = Math.max(...facts.sides.map((side) => side.layers.length));
  const views = facts.average ? ["query", "average"] : ["query"], scales = ["shared", "each head"];
  const pressed = [
    choices("layers", Array.from({ length: count }, (_, i) => String(i + 1)), () => state.layer, (i) => set({ layer: i })),
    choices("views", views, () => views.indexOf(state.view), (i) => set({ view: views[i] })),
    choices("scales", scales, () => scales.indexOf(state.scale), (i) => set({ scale: scales[i] })),
    facts.pictures.length > 1
      ? choices("pictures", facts.pictures.map((p) => p.name), () => state.picture, (i) => set({ picture: i }), (i) => {
          const small = document.createElement("canvas");
          paintImage(small, i, 96, null);
          return small;
        })
      : () => {},
  ];
  function set(changes) {
    const rebuild = "layer" in changes && changes.layer !== state.layer;
    Object.assign(state, changes);
    if (rebuild) { state.probe = null; lay(); }
    pressed.forEach((update) => update());
    return draw().catch(fail);
  }
  function fail(error) {
    find("status").textContent = error.message;
    throw error;
  }

  // ---- pointer, touch, keys
  const image = find("image");
  const pixelAt = (event) => {
    const box = image.getBoundingClientRect();
    const place = (offset, length) => Math.min(size - 1, Math.max(0, Math.floor((offset / length) * size)));
    return [place(event.clientY - box.top, box.height), place(event.clientX - box.left, box.width)];
  };
  image.addEventListener("pointermove", (event) => {
    const dragging = event.buttons > 0;
    if (dragging || (event.pointerType === "mouse" && !state.pinned)) set({ pixel: pixelAt(event), view: dragging ? "query" : state.view });
  });
  image.addEventListener("pointerdown", (event) => {
    const pixel = pixelAt(event), same = tokenOf(layerSide()).join() === pixel.map((p) => Math.floor((p * layerSide()) / size)).join();
    set({ pixel, view: "query", pinned: !(state.pinned && same) });
  });
  const wrap = (value, length) => (value + length) % length;
  const keys = {
    "[": () => set({ layer: wrap(state.layer - 1, count) }),
    "]": () => set({ layer: wrap(state.layer + 1, count) }),
    v: () => set({ view: views[wrap(views.indexOf(state.view) + 1, views.length)] }),
    s: () => set({ scale: scales[wrap(scales.indexOf(state.scale) + 1, scales.length)] }),
    i: () => set({ picture: wrap(state.picture + 1, facts.pictures.length) }),
  };
  const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = arrows[event.key];
    if (arrow && (document.activeElement === image || document.activeElement === document.body)) {
      const step = size / layerSide();
      const pixel = tokenOf(layerSide()).map((at, i) => Math.round(Math.min(layerSide() - 1, Math.max(0, at + arrow[i])) * step));
      event.preventDefault();
      set({ pixel, view: "query", pinned: true });
    } else if (keys[event.key]) keys[event.key]();
  });
  dark.addEventListener("change", () => draw().catch(fail));
  addEventListener("resize", () => draw().catch(fail));

  // what a test, or a curious reader, may ask: the numbers that are on the screen now
  window.attnrepro = { state, set, values: () => cells.map((heads) => heads.map((cell) => Array.from(cell.values))) };
  lay();
  set({});
})();
