import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.nio.file.Files;
import java.nio.file.Path;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/** Validates files against R4 and the profiles that they name; a line per remark: severity, file, place, text. */
class Validate {
    public static void main(String[] files) throws Exception {
        var r4 = FhirContext.forR4();
        var support = new ValidationSupportChain(
            new DefaultProfileValidationSupport(r4),
            new CommonCodeSystemsTerminologyService(r4),
            new InMemoryTerminologyServerValidationSupport(r4));
        FhirValidator validator = r4.newValidator().registerValidatorModule(new FhirInstanceValidator(support));
        for (String file : files) {
            var result = validator.validateWithResult(Files.readString(Path.of(file)));
            for (SingleValidationMessage each : result.getMessages()) {
                String text = each.getMessage().replaceAll("\\s+", " ");
                System.out.println(String.join("\t", each.getSeverity().getCode(), file, each.getLocationString() + "", text));
            }
            System.out.println(String.join("\t", "done", file, "", ""));
        }
    }
}
