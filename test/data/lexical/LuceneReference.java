import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause.Occur;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.store.ByteBuffersDirectory;

/** Writes lucene.json: the terms of StandardAnalyzer and the scores of BM25Similarity for the lines of two files, which generate-lucene.sh gives. */
public class LuceneReference {
  public static void main(String[] args) throws IOException {
    List<String> texts = Files.readAllLines(Path.of(args[0]));
    List<String> queries = Files.readAllLines(Path.of(args[1]));
    // Without the factor k1 + 1, as is its default.
    BM25Similarity similarity = new BM25Similarity();
    ByteBuffersDirectory directory = new ByteBuffersDirectory();
    List<String> terms = new ArrayList<>();
    try (IndexWriter writer = new IndexWriter(directory, new IndexWriterConfig(new StandardAnalyzer()).setSimilarity(similarity))) {
      for (String text : texts) {
        terms.add(strings(termsOf(text)));
        Document document = new Document();
        document.add(new TextField("text", text, Field.Store.NO));
        writer.addDocument(document);
      }
      writer.forceMerge(1);
    }
    List<String> scores = new ArrayList<>();
    try (DirectoryReader reader = DirectoryReader.open(directory)) {
      IndexSearcher searcher = new IndexSearcher(reader);
      searcher.setSimilarity(similarity);
      for (String query : queries) {
        BooleanQuery.Builder builder = new BooleanQuery.Builder();
        for (String term : termsOf(query)) builder.add(new TermQuery(new Term("text", term)), Occur.SHOULD);
        float[] row = new float[texts.size()];
        for (ScoreDoc hit : searcher.search(builder.build(), texts.size()).scoreDocs) row[hit.doc] = hit.score;
        List<String> numbers = new ArrayList<>();
        for (float score : row) numbers.add(Float.toString(score));
        scores.add("[" + String.join(",", numbers) + "]");
      }
    }
    String json =
        "{\"texts\":" + strings(texts) + ",\n\"terms\":[" + String.join(",\n", terms) + "],\n\"queries\":" + strings(queries)
            + ",\n\"scores\":[" + String.join(",\n", scores) + "]}\n";
    Files.write(Path.of("lucene.json"), json.getBytes(StandardCharsets.UTF_8));
  }

  private static List<String> termsOf(String text) throws IOException {
    List<String> terms = new ArrayList<>();
    try (StandardAnalyzer analyzer = new StandardAnalyzer(); TokenStream stream = analyzer.tokenStream("text", text)) {
      CharTermAttribute term = stream.addAttribute(CharTermAttribute.class);
      stream.reset();
      while (stream.incrementToken()) terms.add(term.toString());
      stream.end();
    }
    return terms;
  }

  private static String strings(List<String> list) {
    List<String> quoted = new ArrayList<>();
    for (String one : list) quoted.add("\"" + one.replace("\\", "\\\\").replace("\"", "\\\"") + "\"");
    return "[" + String.join(",", quoted) + "]";
  }
}
