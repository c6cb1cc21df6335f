// A canvas to draw strokes on, with a mouse, fingers, a pen or the keyboard.

/** Points closer than this share of the pad are left out. */
const NEAR = 0.01;
const STEP = 1 / 16;
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(strokes: [number, number][][]) => void} onChange Gets the strokes, in shares of the pad.
 */
export function drawingPad(canvas, onChange) {
  let strokes = [];
  /** The stroke of each pointer that is down. */
  const drawing = new Map();
  const cursor = { x: 0.5, y: 0.25, stroke: undefined, shown: false };

  const paint = () => {
    const pixels = Math.round(canvas.clientWidth * devicePixelRatio) || canvas.width;
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    const context = canvas.getContext('2d');
    const { color } = getComputedStyle(canvas);
    context.clearRect(0, 0, pixels, pixels);
    context.strokeStyle = context.fillStyle = color;
    context.lineWidth = pixels * 0.07;
    context.lineCap = context.lineJoin = 'round';
    for (const stroke of strokes) {
      context.beginPath();
      // A stroke of one point is a dot.
      for (const [x, y] of [stroke[0], ...stroke]) context.lineTo(x * pixels, y * pixels);
      context.stroke();
    }
    if (cursor.shown) {
      context.lineWidth = pixels * 0.006;
      context.beginPath();
      context.arc(cursor.x * pixels, cursor.y * pixels, pixels * (cursor.stroke ? 0.05 : 0.025), 0, 7);
      context.stroke();
    }
  };
  const changed = () => {
    paint();
    onChange(strokes);
  };
  const begin = (point) => {
    const stroke = [point];
    strokes.push(stroke);
    return stroke;
  };
  const clear = () => {
    strokes = [];
    drawing.clear();
    cursor.stroke = undefined;
    changed();
  };

  const at = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  };
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    cursor.shown = false;
    drawing.set(event.pointerId, begin(at(event)));
    changed();
  });
  canvas.addEventListener('pointermove', (event) => {
    const stroke = drawing.get(event.pointerId);
    if (!stroke) return;
    // The browser gathers what a fast hand does between two frames.
    for (const moment of event.getCoalescedEvents?.() ?? [event]) {
      const [x, y] = at(moment);
      const [lastX, lastY] = stroke.at(-1);
      if (Math.hypot(x - lastX, y - lastY) > NEAR) stroke.push([x, y]);
    }
    changed();
  });
  for (const end of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(end, (event) => drawing.delete(event.pointerId));
  }

  canvas.addEventListener('keydown', (event) => {
    const arrow = arrows[event.key];
    if (arrow) {
      cursor.x = Math.min(Math.max(cursor.x + arrow[0] * STEP, 0), 1);
      cursor.y = Math.min(Math.max(cursor.y + arrow[1] * STEP, 0), 1);
      cursor.stroke?.push([cursor.x, cursor.y]);
    } else if (event.key === ' ') {
      cursor.stroke = cursor.stroke ? undefined : begin([cursor.x, cursor.y]);
    } else {
      return;
    }
    event.preventDefault();
    cursor.shown = true;
    changed();
  });
  canvas.addEventListener('blur', () => {
    cursor.shown = false;
    paint();
  });
  new ResizeObserver(paint).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
  return { clear };
}
