const videos = [...document.querySelectorAll("video")];
if (videos.length) {
  const [first] = videos, play = document.getElementById("play"), at = document.getElementById("at"), time = document.getElementById("time");
  const show = () => { at.value = first.currentTime; time.value = `${first.currentTime.toFixed(1)} s`; };
  const seek = (seconds) => { for (const video of videos) video.currentTime = seconds; };
  play.addEventListener("click", () => {
    if (first.paused) { seek(first.currentTime); for (const video of videos) video.play(); } else for (const video of videos) video.pause();
  });
  first.addEventListener("play", () => { play.textContent = "Pause"; });
  first.addEventListener("pause", () => { play.textContent = "Play"; seek(first.currentTime); });
  // Each has a clock of its own: more than half a frame apart, the others follow the first.
  first.addEventListener("timeupdate", () => {
    for (const video of videos.slice(1)) if (Math.abs(video.currentTime - first.currentTime) > 0.04) video.currentTime = first.currentTime;
    show();
  });
  at.addEventListener("input", () => { seek(Number(at.value)); time.value = `${Number(at.value).toFixed(1)} s`; });
}
