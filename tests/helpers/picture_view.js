// What is wrong with the picture in the page, by the boxes that the browser reports.
(() => {
  const slack = 0.5; // px: half of what a screen can show; a font other than monospaced fills its length less evenly
  const rectangle = (element) => element.getBoundingClientRect();
  const frameOf = (text) => text.closest("g.box")?.querySelector("rect");
  const depth = (a, b) => Math.min(
    Math.min(a.right, b.right) - Math.max(a.left, b.left),
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
  const svg = document.querySelector("svg");
  const texts = [...svg.querySelectorAll("text")];
  const places = texts.map(rectangle);
  const boxes = [...svg.querySelectorAll("g.box > rect")].map(rectangle);
  const faults = [];
  texts.forEach((text, i) => {
    const place = places[i], frame = frameOf(text), outer = rectangle(frame ?? svg);
    const over = Math.max(outer.left - place.left, place.right - outer.right,
      outer.top - place.top, place.bottom - outer.bottom);
    if (place.width && over > slack) faults.push(`${over} px outside: ${text.textContent}`);
    if (frame) {
      const aside = Math.abs(place.left + place.right - outer.left - outer.right) / 2;
      if (place.width && aside > 3 * slack) faults.push(`${aside} px beside the middle: ${text.textContent}`);
    } else if (boxes.some((box) => depth(place, box) > slack)) faults.push(`on a box: ${text.textContent}`);
    for (let j = 0; j < i; j++)
      if (depth(place, places[j]) > slack)
        faults.push(`on one another: ${texts[j].textContent} | ${text.textContent}`);
  });
  const labels = [...svg.querySelectorAll("g.arrow > text")].map(
    (text) => ({ text: text.textContent, place: rectangle(text) }));
  for (const path of svg.querySelectorAll("g.arrow > path")) {
    const toScreen = path.getScreenCTM(), length = path.getTotalLength();
    for (let at = 0; at <= length; at += 4) {
      const { x, y } = path.getPointAtLength(at).matrixTransform(toScreen);
      const point = { left: x, right: x, top: y, bottom: y };
      for (const label of labels)
        if (depth(label.place, point) > 0) faults.push(`a line through: ${label.text}`);
    }
  }
  return { faults, shown: places.filter((place) => place.width > 0).length, texts: texts.length };
})()
