import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;

/**
 * Measures Chronicle Queue in its own JVM. Each line of standard input is one round,
 * {@code operation folder records recordBytes seconds perSecond}, answered by one line of numbers:
 * {@code records elapsedNanos cpuNanos p50 p99 p999}. The JVM stays for all rounds, so the compiler is warm after the
 * first, which the harness discards. Appends and reads go through reused {@code Bytes}, its fastest way.
 */
public final class ChroniclePeer {
  public static void main(String[] arguments) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    System.out.println("varve ready");
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] fields = line.split("\t");
      System.out.println("varve " + round(fields[0], fields[1], Integer.parseInt(fields[2]), Integer.parseInt(fields[3]),
          Double.parseDouble(fields[4]), Double.parseDouble(fields[5])));
    }
  }

  private static String round(String operation, String folder, int records, int recordBytes, double seconds, double perSecond) {
    try (ChronicleQueue queue = ChronicleQueue.singleBuilder(folder).build()) {
      return switch (operation) {
        case "throughput" -> append(queue, records, recordBytes, seconds, 0, false);
        case "latency" -> append(queue, records, recordBytes, seconds, 0, true);
        case "paced" -> append(queue, records, recordBytes, seconds, perSecond, true);
        case "fill" -> append(queue, records, recordBytes, Double.MAX_VALUE, 0, false);
        case "read" -> read(queue, recordBytes);
        default -> throw new IllegalArgumentException(operation);
      };
    }
  }

  private static String append(ChronicleQueue queue, int records, int recordBytes, double seconds, double perSecond, boolean timed) {
    byte[] value = new byte[recordBytes];
    new Random(1).nextBytes(value);
    Bytes<?> bytes = Bytes.allocateElasticDirect(recordBytes);
    bytes.write(value);
    long[] samples = new long[timed ? records : 0];
    double interval = perSecond > 0 ? 1e9 / perSecond : 0;
    long cpu = cpuNanos();
    int count = 0;
    try (ExcerptAppender appender = queue.createAppender()) {
      long first = System.nanoTime();
      double limit = seconds * 1e9;
      long end = first;
      while (count < records && end - first < limit) {
        if (timed) {
          long start = first + (long) (count * interval);
          if (interval == 0) start = System.nanoTime();
          else while (System.nanoTime() < start) Thread.onSpinWait();
          appender.writeBytes(bytes);
          end = System.nanoTime();
          samples[count++] = end - start;
        } else {
          appender.writeBytes(bytes);
          if ((++count & 127) == 0) end = System.nanoTime();
        }
      }
      long elapsed = System.nanoTime() - first;
      long[] sorted = Arrays.copyOf(samples, timed ? count : 0);
      Arrays.sort(sorted);
      return count + " " + elapsed + " " + (cpuNanos() - cpu) + " " + rank(sorted, 0.5) + " " + rank(sorted, 0.99) + " " + rank(sorted, 0.999);
    } finally {
      bytes.releaseLast();
    }
  }

  private static String read(ChronicleQueue queue, int recordBytes) {
    Bytes<?> bytes = Bytes.allocateElasticDirect(recordBytes);
    long cpu = cpuNanos();
    int count = 0;
    try (ExcerptTailer tailer = queue.createTailer()) {
      long first = System.nanoTime();
      while (true) {
        bytes.clear();
        if (!tailer.readBytes(bytes)) break;
        if (bytes.readRemaining() == recordBytes) count++;
      }
      return count + " " + (System.nanoTime() - first) + " " + (cpuNanos() - cpu) + " 0 0 0";
    } finally {
      bytes.releaseLast();
    }
  }

  /** Nearest rank, as the harness does it. */
  private static long rank(long[] sorted, double fraction) {
    return sorted.length == 0 ? 0 : sorted[Math.max(1, (int) Math.ceil(fraction * sorted.length - 1e-9)) - 1];
  }

  private static long cpuNanos() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
  }
}
